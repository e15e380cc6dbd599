//! Every service can be explored with nothing at hand: health and server reflection.

use oxcart::Service;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::world::{Kind, World};

#[tokio::test]
async fn every_service_lists_itself_and_its_health() {
    let world = World::on(Kind::Memory).await;
    for (service, own) in [
        (Service::Idp, "oxcart.idp.v1.IdpService"),
        (Service::Catalog, "oxcart.catalog.v1.CatalogService"),
        (Service::Payment, "oxcart.payment.v1.PaymentService"),
        (Service::Cart, "oxcart.cart.v1.CartService oxcart.cart.v1.CheckoutService"),
        (Service::Controller, "oxcart.controller.v1.ControllerService"),
    ] {
        let names = listed(&world, service).await;
        let own: Vec<_> = own.split(' ').collect();
        for name in own.iter().chain(&["grpc.health.v1.Health"]) {
            assert!(names.iter().any(|listed| listed == name), "{service}: {names:?}");
        }
        let is_other =
            |name: &&String| name.starts_with("oxcart.") && !own.contains(&name.as_str());
        let others = names.iter().filter(is_other);
        assert_eq!(others.count(), 0, "{service} lists what it does not serve: {names:?}");
    }
}

#[tokio::test]
async fn the_messages_of_error_details_are_described_too() {
    let world = World::on(Kind::Memory).await;
    for symbol in ["google.rpc.ErrorInfo", "google.rpc.BadRequest", "oxcart.controller.v1.Cart"] {
        let asked = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let answer = ask(&world, Service::Controller, asked).await;
        assert!(
            matches!(answer, MessageResponse::FileDescriptorResponse(_)),
            "{symbol}: {answer:?}"
        );
    }
}

async fn listed(world: &World, service: Service) -> Vec<String> {
    let answer = ask(world, service, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    list.service.into_iter().map(|service| service.name).collect()
}

async fn ask(world: &World, service: Service, message: MessageRequest) -> MessageResponse {
    let mut client = ServerReflectionClient::new(world.channel(service).await);
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let asked = tokio_stream::once(request);
    let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}
