mod effects;
mod fuzzy;
mod model;
mod quotas;
mod watch_order;
