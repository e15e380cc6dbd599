//! A request's body that does not arrive.

use std::time::Duration;

use http::Request;
use kit_rpc::server::ServerArgs;
use kit_testing::echo::{BOUND, Echo, serve, server_with};
use tokio::{net::TcpStream, time};
use tonic::{Code, Status, server::NamedService as _};

#[tokio::test]
async fn a_request_that_never_arrives_whole_holds_no_place() {
    let args = ServerArgs { max_in_flight: 1, default_deadline_ms: 50, ..ServerArgs::default() };
    let server = serve(server_with(&args, Echo::new(|_| async { Ok(String::new()) }))).await;
    let address = server.url.trim_start_matches("http://");
    let socket = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);

    // The head of a call, and never its message.
    let head = Request::post(format!("{}/{}/Unary", server.url, Echo::NAME))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let mut client = client.ready().await.unwrap();
    let (answer, _rest) = client.send_request(head.body(()).unwrap(), false).unwrap();
    let answer = time::timeout(BOUND, answer).await.unwrap().unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);

    let freed = async {
        while server.client().say("next").await.is_err() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(BOUND, freed).await.unwrap();
    connection.abort();
}
