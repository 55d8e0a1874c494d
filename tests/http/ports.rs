//! Every TCP port speaks everything.

use super::{Client, get, server};

#[tokio::test]
async fn one_open_port_is_enough_for_the_page_the_sockets_and_the_ice_servers() {
    let server = server().await;
    let addresses = server.addresses();
    for address in [addresses.turn_tcp[0], addresses.http[0]] {
        let (status, page) = get(address, "/").await;
        assert_eq!(status, 200);
        assert!(page.to_ascii_lowercase().starts_with("<!doctype html>"));
        let (status, ice) = get(address, "/v1/ice").await;
        assert_eq!(status, 200);
        let (udp, tcp) = (addresses.turn_udp[0].port(), addresses.turn_tcp[0].port());
        assert!(ice.contains(&format!("\"turn:127.0.0.1:{udp}?transport=udp\"")), "{ice}");
        assert!(ice.contains(&format!("\"turn:127.0.0.1:{tcp}?transport=tcp\"")), "{ice}");
    }
    let mut ada = Client::open(addresses.turn_tcp[0], "/ws").await;
    let mut bob = Client::open(addresses.http[0], "/").await;
    ada.join("ada").await;
    bob.join("bob").await;
    assert_eq!(ada.wait_for("match_found").await["partnerId"], "bob");
    assert_eq!(bob.wait_for("match_found").await["partnerId"], "ada");
    server.shutdown().await;
}

#[tokio::test]
async fn a_stop_tells_the_clients_and_ends() {
    let server = server().await;
    let address = server.addresses().http[0];
    let admin = server.addresses().admin.expect("it is configured");
    assert_eq!(get(admin, "/readyz").await.0, 200);
    let mut client = Client::open(address, "/ws").await;
    client.join("ada").await;
    client.wait_for("queued").await;
    let told = async {
        assert_eq!(client.wait_for("error").await["code"], "shutting_down");
        assert_eq!(client.closed().await, 1001);
    };
    super::patiently(async { tokio::join!(server.shutdown(), told) }).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nothing listens any more");
}
