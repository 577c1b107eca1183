use ensemble::{LearnerType, ServerId};

/// What an election must know beside the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Our id. An observer may have none: [`i64::MAX`].
    pub me: ServerId,
    /// Whether we vote, as our own configuration says (`peerType`).
    pub learner_type: LearnerType,
    /// How long a better vote may take to come once a quorum agrees.
    pub finalize_wait_ms: u64,
    /// First wait for messages before ours are sent again (`zookeeper.fastleader.minNotificationInterval`).
    pub min_notification_ms: u64,
    /// Longest such wait (`zookeeper.fastleader.maxNotificationInterval`).
    pub max_notification_ms: u64,
    /// A newer membership in a message is heeded (`reconfigEnabled`).
    pub reconfig_enabled: bool,
    /// Several addresses of one member are allowed (`multiAddress.enabled`).
    pub multi_address: bool,
}

impl ElectionSettings {
    /// The defaults of the reference.
    // zk: FastLeaderElection.finalizeWait, minNotificationInterval, maxNotificationInterval
    #[must_use]
    pub fn new(me: ServerId, learner_type: LearnerType) -> Self {
        Self {
            me,
            learner_type,
            finalize_wait_ms: 200,
            min_notification_ms: 200,
            max_notification_ms: 60_000,
            reconfig_enabled: false,
            multi_address: false,
        }
    }
}
