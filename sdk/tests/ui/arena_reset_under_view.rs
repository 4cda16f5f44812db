use sluicegate::arena::Pool;

fn main() {
    let pool = Pool::new().unwrap();
    let arena = pool.take().unwrap();
    let text = arena.alloc_str("text");
    drop(arena);
    assert_eq!(text, "text");
}
