//! What must not compile, and the message that says why.

#[test]
fn promises_are_kept_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
