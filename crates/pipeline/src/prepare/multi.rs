use alloc::vec::Vec;

use jute::multi::{MultiOp, MultiRequest};
use jute::txn::ErrorTxn;
use jute::{ErrorCode, Txn};

use super::create::Create;
use super::{Asker, Prepare, Prepared, Stamp, record};

impl Prepare<'_> {
    /// All parts share one zxid; when one fails, the log says so for it and for those after it, and nothing is applied.
    // zk: PrepRequestProcessor.pRequestHelper, multi
    pub(super) fn multi(&mut self, asker: &Asker<'_>, stamp: Stamp, request: MultiRequest) -> Prepared {
        let mut failed = None;
        let mut parts = Vec::with_capacity(request.ops.len());
        for op in request.ops {
            if failed.is_some() {
                parts.push(error(ErrorCode::RuntimeInconsistency));
                continue;
            }
            match self.part(asker, stamp, op) {
                Ok(txn) => parts.push(txn),
                // zk: reads in a multi have no transaction, which is no error of one part but of the whole
                Err(Failure::NoTransaction) => {
                    self.changes.roll_back(stamp.zxid);
                    let outcome = Err(ErrorCode::MarshallingError);
                    return self.finish(asker.session, asker.xid, stamp, outcome);
                }
                Err(Failure::Part(code)) => {
                    self.changes.roll_back(stamp.zxid);
                    parts.push(error(code));
                    failed = Some(code);
                }
            }
        }
        let digest = self.digest();
        Prepared { record: record(asker.session, asker.xid, stamp, Txn::Multi(parts), digest), error: failed }
    }

    fn part(&mut self, asker: &Asker<'_>, stamp: Stamp, op: MultiOp) -> Result<Txn, Failure> {
        Ok(match op {
            MultiOp::Create(request) => self.create(asker, stamp, Create::plain(request).in_multi())?,
            MultiOp::Create2(request) => self.create(asker, stamp, Create::plain2(request).in_multi())?,
            MultiOp::CreateContainer(request) => {
                self.create(asker, stamp, Create::container(request).in_multi())?
            }
            MultiOp::CreateTtl(request) => self.create(asker, stamp, Create::ttl(request).in_multi())?,
            MultiOp::Delete(request) => self.delete(asker, stamp, request)?,
            MultiOp::SetData(request) => self.set_data(asker, stamp, request)?,
            MultiOp::Check(request) => self.check(asker, request)?,
            MultiOp::GetChildren(_) | MultiOp::GetData(_) => return Err(Failure::NoTransaction),
        })
    }
}

/// Why a part yields no transaction.
enum Failure {
    /// It was refused.
    Part(ErrorCode),
    /// It is a read.
    NoTransaction,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Part(code)
    }
}

fn error(code: ErrorCode) -> Txn {
    Txn::Error(ErrorTxn { err: code.code() })
}
