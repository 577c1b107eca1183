//! The settings that the pipeline and the state obey, in their own types.

use pipeline::settings as to;
use tree::acl::{self, AclSettings};

use super::{Provider, Settings};

impl Settings {
    /// How many servers share the limit of outstanding requests.
    // zk: LeaderZooKeeperServer.getGlobalOutstandingLimit, FollowerZooKeeperServer
    fn other_voters(&self) -> usize {
        let members = self.ensemble.as_ref().map_or(1, |member| member.verifier.voters().count());
        if members > 2 { members - 1 } else { 1 }
    }

    /// For the pipeline.
    #[must_use]
    pub fn pipeline(&self) -> to::PipelineSettings {
        let or = |value: usize, default: usize| if value == 0 { default } else { value };
        let default = to::PipelineSettings::default();
        let bytes = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        to::PipelineSettings {
            tick_ms: self.session.tick_ms,
            min_session_timeout_ms: self.session.min_timeout_ms,
            max_session_timeout_ms: self.session.max_timeout_ms,
            extended_types: self.requests.extended_types,
            emulate_353_ttl: self.requests.emulate_353_ttl,
            enforce_quota: self.requests.enforce_quota,
            acl: self.acl(),
            close_session_txn: self.requests.close_session_txn,
            digest_enabled: self.data.digest_enabled,
            reconfig_enabled: self.requests.reconfig_enabled,
            standalone_enabled: self.requests.standalone_enabled,
            multi_address: self.requests.multi_address,
            jute_max_buffer: bytes(self.client.frame_max),
            jute_extra: bytes(self.client.frame_extra),
            auth: self.pipeline_auth(),
            watch_manager_optimized: self.requests.watch_manager_optimized,
            multi_ops_max: or(self.requests.multi_ops_max, default.multi_ops_max),
            watches_per_connection_max: or(self.client.watches_max, default.watches_per_connection_max),
            outbox_bytes_max: or(self.client.outbox_max, default.outbox_bytes_max),
            handshake_timeout_ms: self.client.handshake_ms,
            large_request: to::LargeRequestSettings {
                threshold: self.throttle.large_request_threshold.map(bytes),
                max_bytes: bytes(self.throttle.large_request_max_bytes),
            },
            trace_mask_allowed: self.words.allows("stmk"),
            global_outstanding_limit: self.throttle.global_outstanding_limit / self.other_voters(),
            containers: to::ContainerSettings {
                check_interval_ms: self.containers.interval_ms.unwrap_or(0),
                max_per_minute: self.containers.max_per_minute,
                max_never_used_interval_ms: i64::try_from(self.containers.max_never_used_ms)
                    .unwrap_or(i64::MAX),
            },
            ..default
        }
    }

    fn pipeline_auth(&self) -> to::AuthSettings {
        to::AuthSettings {
            digest_algorithm: self.auth.digest_algorithm,
            super_digest: self.auth.super_digest.clone(),
            ensemble_names: self.auth.ensemble_names.as_ref().map(|names| names.iter().cloned().collect()),
            enforce: self.auth.enforce.clone(),
        }
    }

    /// zk: ProviderRegistry.initialize
    fn acl(&self) -> AclSettings {
        let mut providers = vec![Provider::Ip];
        if self.auth.digest_enabled {
            providers.push(Provider::Digest);
        }
        providers.extend(
            self.auth.providers.iter().filter(|added| !matches!(added, Provider::Ip | Provider::Digest)),
        );
        if self.auth.providers.contains(&Provider::Digest) && !self.auth.digest_enabled {
            providers.push(Provider::Digest);
        }
        let providers = providers.into_iter().map(|provider| {
            let known = match provider {
                Provider::Digest => acl::Provider::Digest,
                Provider::Ip => acl::Provider::Ip,
                Provider::Ensemble => acl::Provider::Ensemble,
                Provider::Key => acl::Provider::Key,
                Provider::Sasl => acl::Provider::Sasl { any_user: self.auth.any_sasl_user.clone() },
                Provider::X509 => acl::Provider::X509 { super_user: self.auth.x509_super_user.clone() },
            };
            (provider.scheme().to_owned(), known)
        });
        AclSettings { skip_acl: self.auth.skip_acl, providers: providers.collect() }
    }
}
