use super::*;

#[test]
fn every_embedded_file_is_read() {
    let schema = Schema::standard(&Features::default());
    assert!(schema.objects().count() > 40);
}
