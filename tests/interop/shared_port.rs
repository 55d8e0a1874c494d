//! Clients of ICE where all allocations share one relayed port (`--relay-ports shared`).

use super::server::Hairpin;
use super::{Transport, aioice, libnice, pion, werift};

#[tokio::test]
async fn ice_clients_connect_through_one_relayed_port() {
    let settings = [("relay-ports", "shared"), ("shared-relay-port", "0")];
    let hairpin = Hairpin::start_with(&settings).await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let account = hairpin.account(transport);
        tokio::join!(
            aioice::run("ice", &account),
            libnice::run(&account),
            pion::run("ice", &account),
            werift::run(&account),
        );
    }
}
