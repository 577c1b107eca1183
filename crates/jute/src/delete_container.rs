use alloc::{string::String, vec::Vec};

use crate::{DecodeError, Reader, Record, java_string, write};

/// Deletes an empty container or an expired TTL znode; sent by the leader to itself.
///
/// Unlike every other path this one is a buffer with ordinary UTF-8.
// zk: DeleteContainerRequest
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct DeleteContainerRequest {
    /// Path of the znode.
    pub path: String,
}

impl Record for DeleteContainerRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let path = reader.required_buffer("DeleteContainerRequest.path")?;
        Ok(Self { path: java_string::decode(&path) })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        write::buffer(out, Some(self.path.as_bytes()));
    }
}
