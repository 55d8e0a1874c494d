//! The whole product in one thread and virtual time: hub, matcher, relay shards, routers and people.

mod calls;
mod crowd;
mod evening;
mod resume;
