//! One method per operation of the protocol.

use jute::data::{Acl, ClientInfo, Stat};
use jute::proto::{
    AddWatchRequest, CheckWatchesRequest, Create2Response, CreateRequest, CreateResponse, CreateTTLRequest,
    DeleteRequest, ExistsRequest, ExistsResponse, GetACLRequest, GetACLResponse, GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse, GetChildren2Request, GetChildren2Response, GetChildrenRequest,
    GetChildrenResponse, GetDataRequest, GetDataResponse, GetEphemeralsRequest, GetEphemeralsResponse,
    ReconfigRequest, RemoveWatchesRequest, SetACLRequest, SetACLResponse, SetDataRequest, SetDataResponse,
    SyncRequest, SyncResponse, WhoAmIResponse,
};
use jute::{ErrorCode, OpCode, Record};

use crate::call::{Effect, Reply};
use crate::client::Client;
use crate::error::Error;
use crate::mode::{AddWatchMode, CreateMode};
use crate::path::validate;
use crate::watches::{Registration, Table, WatcherType};

/// The node that holds the ensemble's configuration, outside of any chroot.
pub(crate) const CONFIG_NODE: &str = "/zookeeper/config";

/// Writes.
impl Client {
    /// Creates a node and returns its path, which has a number appended in the sequential modes.
    pub async fn create(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
    ) -> Result<String, Error> {
        let reply = self.send_create(path, data, acl, mode, OpCode::Create).await?;
        let response: CreateResponse = reply.decode(Some(path))?;
        Ok(self.chroot.to_caller(response.path))
    }

    /// Creates a node and returns its path and its stat.
    pub async fn create2(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
    ) -> Result<(String, Stat), Error> {
        let reply = self.send_create(path, data, acl, mode, OpCode::Create2).await?;
        let response: Create2Response = reply.decode(Some(path))?;
        Ok((self.chroot.to_caller(response.path), response.stat))
    }

    async fn send_create(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
        plain: OpCode,
    ) -> Result<Reply, Error> {
        mode.validate(path)?;
        let body = encode_create(self.chroot.to_server(path), data, acl, mode)?;
        self.exchange(mode.op_code(plain).code(), body, Effect::None).await
    }

    /// Deletes a node; version −1 means any.
    pub async fn delete(&self, path: &str, version: i32) -> Result<(), Error> {
        validate(path)?;
        let request = DeleteRequest { path: self.chroot.to_server(path), version };
        self.send(OpCode::Delete, &request, Effect::None).await?.ok(Some(path))
    }

    /// Sets a node's data; version −1 means any.
    pub async fn set_data(&self, path: &str, data: Option<&[u8]>, version: i32) -> Result<Stat, Error> {
        validate(path)?;
        let data = data.map(|data| data.to_vec().into());
        let request = SetDataRequest { path: self.chroot.to_server(path), data, version };
        let reply = self.send(OpCode::SetData, &request, Effect::None).await?;
        Ok(reply.decode::<SetDataResponse>(Some(path))?.stat)
    }

    /// Sets a node's access list; the version is that of the list, −1 means any.
    pub async fn set_acl(&self, path: &str, acl: &[Acl], version: i32) -> Result<Stat, Error> {
        validate(path)?;
        let request = SetACLRequest { path: self.chroot.to_server(path), acl: Some(acl.to_vec()), version };
        let reply = self.send(OpCode::SetAcl, &request, Effect::None).await?;
        Ok(reply.decode::<SetACLResponse>(Some(path))?.stat)
    }

    /// Changes the ensemble; returns the new configuration.
    pub async fn reconfig(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
        members: Option<&str>,
        from_config: i64,
    ) -> Result<(Vec<u8>, Stat), Error> {
        let request = ReconfigRequest {
            joining_servers: joining.map(str::to_owned),
            leaving_servers: leaving.map(str::to_owned),
            new_members: members.map(str::to_owned),
            cur_config_id: from_config,
        };
        let reply = self.send(OpCode::Reconfig, &request, Effect::None).await?;
        let response: GetDataResponse = reply.decode(None)?;
        Ok((response.data.map(|data| data.to_vec()).unwrap_or_default(), response.stat))
    }

    /// Waits until the server has caught up with all that was committed before.
    pub async fn sync(&self, path: &str) -> Result<(), Error> {
        validate(path)?;
        let request = SyncRequest { path: self.chroot.to_server(path) };
        let reply = self.send(OpCode::Sync, &request, Effect::None).await?;
        reply.decode::<SyncResponse>(Some(path)).map(drop)
    }
}

/// Reads.
impl Client {
    /// The stat of a node, or `None` if there is none.
    pub async fn exists(&self, path: &str, watch: bool) -> Result<Option<Stat>, Error> {
        validate(path)?;
        let server_path = self.chroot.to_server(path);
        let effect = registration(watch, Table::Exists, &server_path);
        let request = ExistsRequest { path: server_path, watch };
        let reply = self.send(OpCode::Exists, &request, effect).await?;
        if reply.header.err == ErrorCode::NoNode.code() {
            return Ok(None);
        }
        Ok(Some(reply.decode::<ExistsResponse>(Some(path))?.stat))
    }

    /// A node's data, which may be null, and its stat.
    pub async fn get_data(&self, path: &str, watch: bool) -> Result<(Option<Vec<u8>>, Stat), Error> {
        validate(path)?;
        self.read_data(path, self.chroot.to_server(path), watch).await
    }

    /// The ensemble's configuration.
    pub async fn get_config(&self, watch: bool) -> Result<(Option<Vec<u8>>, Stat), Error> {
        self.read_data(CONFIG_NODE, CONFIG_NODE.to_owned(), watch).await
    }

    async fn read_data(
        &self,
        path: &str,
        server_path: String,
        watch: bool,
    ) -> Result<(Option<Vec<u8>>, Stat), Error> {
        let effect = registration(watch, Table::Data, &server_path);
        let request = GetDataRequest { path: server_path, watch };
        let reply = self.send(OpCode::GetData, &request, effect).await?;
        let response: GetDataResponse = reply.decode(Some(path))?;
        Ok((response.data.map(|data| data.to_vec()), response.stat))
    }

    /// The names of a node's children, in no order.
    pub async fn get_children(&self, path: &str, watch: bool) -> Result<Vec<String>, Error> {
        validate(path)?;
        let server_path = self.chroot.to_server(path);
        let effect = registration(watch, Table::Child, &server_path);
        let request = GetChildrenRequest { path: server_path, watch };
        let reply = self.send(OpCode::GetChildren, &request, effect).await?;
        Ok(reply.decode::<GetChildrenResponse>(Some(path))?.children)
    }

    /// The names of a node's children, in no order, and the node's stat.
    pub async fn get_children2(&self, path: &str, watch: bool) -> Result<(Vec<String>, Stat), Error> {
        validate(path)?;
        let server_path = self.chroot.to_server(path);
        let effect = registration(watch, Table::Child, &server_path);
        let request = GetChildren2Request { path: server_path, watch };
        let reply = self.send(OpCode::GetChildren2, &request, effect).await?;
        let response: GetChildren2Response = reply.decode(Some(path))?;
        Ok((response.children, response.stat))
    }

    /// A node's access list and its stat.
    pub async fn get_acl(&self, path: &str) -> Result<(Vec<Acl>, Stat), Error> {
        validate(path)?;
        let request = GetACLRequest { path: self.chroot.to_server(path) };
        let reply = self.send(OpCode::GetAcl, &request, Effect::None).await?;
        let response: GetACLResponse = reply.decode(Some(path))?;
        Ok((response.acl.unwrap_or_default(), response.stat))
    }

    /// The ephemeral nodes of this session whose paths start with the prefix.
    pub async fn get_ephemerals(&self, prefix: &str) -> Result<Vec<String>, Error> {
        validate(prefix)?;
        let request = GetEphemeralsRequest { prefix_path: self.chroot.to_server(prefix) };
        let reply = self.send(OpCode::GetEphemerals, &request, Effect::None).await?;
        let response: GetEphemeralsResponse = reply.decode(Some(prefix))?;
        let paths = response.ephemerals;
        Ok(paths.into_iter().map(|path| self.chroot.to_caller(path)).collect())
    }

    /// How many nodes there are below a node.
    pub async fn get_all_children_number(&self, path: &str) -> Result<i32, Error> {
        validate(path)?;
        let request = GetAllChildrenNumberRequest { path: self.chroot.to_server(path) };
        let reply = self.send(OpCode::GetAllChildrenNumber, &request, Effect::None).await?;
        Ok(reply.decode::<GetAllChildrenNumberResponse>(Some(path))?.total_number)
    }

    /// Whom the server takes this connection for.
    pub async fn who_am_i(&self) -> Result<Vec<ClientInfo>, Error> {
        let reply = self.exchange(OpCode::WhoAmI.code(), Vec::new(), Effect::None).await?;
        Ok(reply.decode::<WhoAmIResponse>(None)?.client_info)
    }
}

/// Watches.
impl Client {
    /// Sets a watch that stays.
    pub async fn add_watch(&self, path: &str, mode: AddWatchMode) -> Result<(), Error> {
        validate(path)?;
        let server_path = self.chroot.to_server(path);
        let table = match mode {
            AddWatchMode::Persistent => Table::Persistent,
            AddWatchMode::PersistentRecursive => Table::Recursive,
        };
        let effect = registration(true, table, &server_path);
        let request = AddWatchRequest { path: server_path, mode: mode.number() };
        self.send(OpCode::AddWatch, &request, effect).await?.ok(Some(path))
    }

    /// Removes watches of a path. With `locally`, they are forgotten here even if no server can be told.
    pub async fn remove_watches(&self, path: &str, which: WatcherType, locally: bool) -> Result<(), Error> {
        validate(path)?;
        let server_path = self.chroot.to_server(path);
        let effect = Effect::Remove { path: server_path.clone(), which, locally };
        let request = RemoveWatchesRequest { path: server_path, watcher_type: which.number() };
        match self.send(OpCode::RemoveWatches, &request, effect).await {
            Ok(reply) => reply.ok(Some(path)),
            Err(Error::ConnectionLoss) if locally => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Asks the server whether this connection holds such a watch.
    pub async fn check_watches(&self, path: &str, which: WatcherType) -> Result<(), Error> {
        validate(path)?;
        let request = CheckWatchesRequest { path: self.chroot.to_server(path), watcher_type: which.number() };
        self.send(OpCode::CheckWatches, &request, Effect::None).await?.ok(Some(path))
    }

    pub(crate) async fn send(
        &self,
        op: OpCode,
        request: &impl Record,
        effect: Effect,
    ) -> Result<Reply, Error> {
        let mut body = Vec::new();
        request.encode(&mut body);
        self.exchange(op.code(), body, effect).await
    }
}

fn registration(watch: bool, table: Table, path: &str) -> Effect {
    if watch { Effect::Register(Registration { table, path: path.to_owned() }) } else { Effect::None }
}

/// The body of a create request, with or without a time to live.
fn encode_create(path: String, data: Option<&[u8]>, acl: &[Acl], mode: CreateMode) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let data = data.map(|data| data.to_vec().into());
    let (acl, flags) = (Some(acl.to_vec()), mode.flags());
    match mode.ttl_ms()? {
        Some(ttl) => CreateTTLRequest { path, data, acl, flags, ttl }.encode(&mut body),
        None => CreateRequest { path, data, acl, flags }.encode(&mut body),
    }
    Ok(body)
}
