//! No input makes a decoder panic, and what one understood it understands again in the same way.

use jute::OpCode;
use jute::any::{
    RECORDS, Reencode, decode_any_multi_response, decode_any_request, decode_any_snapshot, decode_any_txn,
};
use proptest::prelude::*;

/// Bytes that look like records more often than random ones: small numbers, nulls and some text.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => (0_i32..6).prop_map(|number| number.to_be_bytes().to_vec()),
        1 => Just(vec![0xff; 4]),
        1 => any::<i32>().prop_map(|number| number.to_be_bytes().to_vec()),
        2 => "/[a-z]{1,3}".prop_map(|text| [&[0, 0, 0, u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
        1 => (prop_oneof![Just(-1), 0..22_i32], any::<bool>()).prop_map(|(op_code, done)| {
            [&op_code.to_be_bytes()[..], &[u8::from(done)], &[0xff; 4]].concat()
        }),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Encoding what was decoded can be decoded, and changes no more after the second pass: a character outside the basic
/// plane is sent as two surrogates, which are read as two replacements.
fn settles(reencode: Reencode, input: &[u8]) -> Result<(), TestCaseError> {
    if let Some(once) = reencode(input) {
        let twice = reencode(&once);
        prop_assert!(twice.is_some());
        prop_assert_eq!(&twice.as_deref().and_then(reencode), &twice);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records(input in input()) {
        for (_, reencode) in RECORDS {
            settles(*reencode, &input)?;
        }
    }

    #[test]
    fn requests(input in input()) {
        for op_code in OpCode::ALL {
            let reencode = |bytes: &Vec<u8>| decode_any_request(op_code.code(), bytes);
            let once = reencode(&input);
            let twice = once.as_ref().and_then(reencode);
            // A multi may hold a create that is not sent in the form in which it was taken.
            let is_multi = matches!(op_code, OpCode::Multi | OpCode::MultiRead);
            prop_assert!(is_multi || once.is_some() == twice.is_some());
            prop_assert_eq!(&twice.as_ref().and_then(reencode), &twice);
        }
    }

    #[test]
    fn what_is_no_record(input in input()) {
        settles(decode_any_multi_response, &input)?;
        settles(decode_any_txn, &input)?;
        settles(decode_any_snapshot, &input)?;
    }

    #[test]
    fn transactions(op_code in prop_oneof![Just(-1), Just(-10), Just(-11), 1..22_i32], body in input()) {
        let header = [&[0; 28][..], &op_code.to_be_bytes()].concat();
        let input = [header, body].concat();
        if op_code == OpCode::CloseSession.code() {
            // A digest without a body in front may read like a body.
            decode_any_txn(&input);
        } else {
            settles(decode_any_txn, &input)?;
        }
    }
}
