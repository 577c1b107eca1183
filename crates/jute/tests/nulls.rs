//! Nulls that clients send where they mean nothing.

use jute::data::Id;
use jute::proto::{CreateRequest, SetDataRequest};
use jute::{DecodeError, Record};

const NULL: [u8; 4] = [0xff; 4];

#[test]
fn an_identity_may_leave_out_scheme_and_id() {
    let auth = [&[0, 0, 0, 4][..], b"auth", &NULL].concat();
    let read = Id::from_slice(&auth).expect("kazoo writes an empty string as null");
    assert_eq!((read.scheme.as_str(), read.id.as_str()), ("auth", ""));
    let read = Id::from_slice(&[NULL, NULL].concat()).expect("refused later, as an invalid ACL");
    assert_eq!((read.scheme.as_str(), read.id.as_str()), ("", ""));
}

#[test]
fn a_path_that_is_null_is_empty_where_the_reference_checks_it_first() {
    let set = [&NULL[..], &NULL, &[0, 0, 0, 7]].concat();
    assert_eq!(SetDataRequest::from_slice(&set).map(|set| (set.path, set.version)), Ok((String::new(), 7)));
    let create = [&NULL[..], &NULL, &NULL, &[0; 4]].concat();
    assert_eq!(CreateRequest::from_slice(&create), Err(DecodeError::Null { field: "CreateRequest.path" }));
}
