//! Code that must not compile, and the messages of the compiler.

#[test]
fn promises_are_kept_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
