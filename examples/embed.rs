//! hairpin inside another program: `cargo run --example embed`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = hairpin::Server::builder()
        .set("realm", "example.org")
        .set("listening-port", "3478")
        .set("alt-listening-port", "none")
        .set("http-listen", "127.0.0.1:8080")
        .start()
        .await?;
    print!("{}", server.summary());
    println!("TURN at {:?}", server.addresses().turn_udp);

    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
