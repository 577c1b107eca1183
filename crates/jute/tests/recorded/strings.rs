use jute::{Reader, write};

use super::{bytes, hex, lines};

const STRINGS: &str = include_str!("../vectors/strings.txt");

fn units(hex: &str) -> Vec<u16> {
    bytes(hex).chunks(2).map(|pair| u16::from_be_bytes(pair.try_into().expect("two bytes"))).collect()
}

#[test]
fn strings_are_read_and_written_as_java_does() {
    for line in lines(STRINGS) {
        match line.as_slice() {
            ["decode", input, expected] => {
                let decoded = jute::decode_java_string(&bytes(input));
                assert_eq!(decoded.encode_utf16().collect::<Vec<_>>(), units(expected), "{input}");
            }
            ["encode", text, expected] => {
                let mut out = Vec::new();
                write::string(&mut out, &String::from_utf16(&units(text)).expect("text is well-formed"));
                let mut reader = Reader::from_slice(&out);
                let content = reader.required_buffer("string").expect("a string is a buffer");
                assert_eq!(hex(&content), expected.trim_start_matches('-'), "{text}");
            }
            other => panic!("not a vector: {other:?}"),
        }
    }
}
