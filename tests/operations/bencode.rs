//! Any bytes as bencode, within three sets of bounds.
//!
//! Bencode has one spelling for each value, so what was read and is written again must be the
//! bytes it was read from, to the last one; whatever is found by its key is what stands there.

use swarmlet::metainfo::bencode::{self, Encoder, Limits, MESSAGE, TORRENT, Value};

/// Bounds that most inputs meet.
const TIGHT: Limits = Limits { bytes: 64, depth: 3, values: 9 };

/// Looking every key up costs the square of their number.
const FEW: usize = 64;

/// Reads the bytes, and writes what was read.
pub fn run(bytes: &[u8]) {
    for limits in [TORRENT, MESSAGE, TIGHT] {
        let whole = bencode::parse(bytes, limits);
        let Ok(document) = bencode::parse_prefix(bytes, limits) else {
            assert!(whole.is_err(), "what has no beginning is no value");
            continue;
        };
        let (root, rest) = (document.root(), document.rest());
        assert_eq!([root.raw(), rest].concat(), bytes);
        assert_eq!(whole.is_ok(), rest.is_empty());
        let (mut out, mut values) = (Encoder::new(), 0);
        write(&root, 0, limits, &mut values, &mut out);
        assert_eq!(out.finish(), root.raw(), "written again");
        assert!(values <= limits.values);
    }
}

/// Never deeper than the bounds allow.
fn write(value: &Value<'_>, depth: usize, limits: Limits, values: &mut usize, out: &mut Encoder) {
    *values += 1;
    assert!(depth <= limits.depth);
    if let Some(number) = value.as_int() {
        out.int(number);
    } else if let Some(bytes) = value.as_bytes() {
        out.bytes(bytes);
    } else if let Some(items) = value.items() {
        out.list();
        items.for_each(|item| write(&item, depth + 1, limits, values, out));
        out.end();
    } else {
        out.dict();
        let entries: Vec<_> = value.entries().expect("one of four kinds").collect();
        for (key, inner) in &entries {
            *values += 1;
            out.bytes(key);
            write(inner, depth + 1, limits, values, out);
        }
        out.end();
        check_keys(value, &entries);
    }
}

fn check_keys(dict: &Value<'_>, entries: &[(&[u8], Value<'_>)]) {
    let rise = entries.is_sorted_by(|a, b| a.0 < b.0);
    assert!(rise || !dict.is_sorted());
    for (key, inner) in entries.iter().take(FEW) {
        let found = dict.get(key).expect("a key that is there");
        assert!(std::ptr::eq(found.raw(), inner.raw()), "a key stands there once");
    }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts =
        ["i-42e", "d1:ad1:ci1e1:bi2ee1:bdee", "l0:3:abci0eleldeee", "d4:infod6:lengthi425eee"];
    let nested = [vec![b'l'; 32], vec![b'e'; 32]].concat();
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([nested]).collect()
}
