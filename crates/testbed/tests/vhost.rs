//! Looking into RabbitMQ and changing it through the management API.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use testbed::{Vhost, shared, wait_until};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_vhost_shows_its_messages_and_connections_and_shares_nothing() {
    let vhost = Vhost::create().unwrap();
    assert!(vhost.url().starts_with("amqp://") && vhost.url().ends_with(vhost.name()));
    messages_come_out_as_they_went_in(&vhost);
    an_exchange_routes_what_is_bound(&vhost);
    another_vhost_is_empty(&vhost);
    connections_are_closed(&vhost);

    let name = vhost.name().to_owned();
    drop(vhost);
    let other = Vhost::create().unwrap();
    assert!(other.api("GET", &format!("/api/vhosts/{name}"), None).is_err());
    assert!(shared().rabbitmq_url().unwrap().ends_with("/%2f"));
}

fn messages_come_out_as_they_went_in(vhost: &Vhost) {
    for (queue, kind) in [("classic", "classic"), ("quorum", "quorum")] {
        vhost.declare_queue(queue, &json!({ "x-queue-type": kind })).unwrap();
        let properties =
            json!({ "message_id": "m1", "delivery_mode": 2, "headers": { "eta": "later", "retries": 3 } });
        let payload = [0_u8, 159, 146, 150];
        assert!(vhost.publish("", queue, &properties, &payload).unwrap());
        assert!(!vhost.publish("", "nowhere", &json!({}), b"").unwrap());
        wait_until("one message is ready", SOON, || vhost.queue_depth(queue).unwrap() == (1, 0));

        let seen = vhost.messages(queue, 10).unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].payload, payload);
        assert_eq!(seen[0].properties["message_id"], "m1");
        assert_eq!(seen[0].headers["retries"], 3);
        assert_eq!((seen[0].exchange.as_str(), seen[0].routing_key.as_str()), ("", queue));

        assert_eq!(vhost.get(queue, 10).unwrap().len(), 1);
        assert!(vhost.get(queue, 10).unwrap().is_empty());
        wait_until("the queue is empty", SOON, || vhost.queue_depth(queue).unwrap() == (0, 0));
    }
    assert!(vhost.queue_depth("missing").is_err());
}

fn an_exchange_routes_what_is_bound(vhost: &Vhost) {
    vhost.declare_exchange("news", "fanout").unwrap();
    assert!(!vhost.publish("news", "", &json!({}), b"lost").unwrap());
    vhost.bind("news", "classic", "").unwrap();
    assert!(vhost.publish("news", "", &json!({}), b"kept").unwrap());
    let message = vhost.get("classic", 1).unwrap().remove(0);
    assert_eq!((message.exchange.as_str(), message.headers), ("news", json!({})));
    vhost.delete_queue("classic").unwrap();
    assert_eq!(vhost.queues().unwrap(), ["quorum"]);
}

fn another_vhost_is_empty(vhost: &Vhost) {
    let other = Vhost::create().unwrap();
    assert_ne!(other.name(), vhost.name());
    assert!(other.queues().unwrap().is_empty());
}

fn connections_are_closed(vhost: &Vhost) {
    let mut connection = connect(vhost);
    // The broker lists a connection an instant after it is open.
    wait_until("the connection is listed", SOON, || vhost.connections().unwrap().len() == 1);
    assert_eq!(vhost.close_all_connections().unwrap(), 1);
    connection.set_read_timeout(Some(SOON)).unwrap();
    let close = read_method(&mut connection);
    assert_eq!(close, (10, 50), "the broker asks to close");
    drop(connection);
    wait_until("the connection is gone", SOON, || vhost.connections().unwrap().is_empty());
}

/// An AMQP connection by hand: up to `connection.open-ok`.
fn connect(vhost: &Vhost) -> TcpStream {
    let url = vhost.url();
    let address = url.rsplit('@').next().unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    assert_eq!(read_method(&mut stream), (10, 10));
    let name = vhost.name();
    let response = format!("\0{name}\0testbed");
    let length = u32::try_from(response.len()).unwrap().to_be_bytes();
    // No properties, PLAIN as the vhost's user, en_US.
    let start = [b"\0\0\0\0\x05PLAIN", &length[..], response.as_bytes(), b"\x05en_US"].concat();
    send_method(&mut stream, 11, &start);
    assert_eq!(read_method(&mut stream), (10, 30));
    // 16 channels, frames up to 128 KiB, no heartbeat.
    send_method(&mut stream, 31, &[0, 16, 0, 2, 0, 0, 0, 0]);
    let open = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), &[0, 0]].concat();
    send_method(&mut stream, 40, &open);
    assert_eq!(read_method(&mut stream), (10, 41));
    stream
}

/// A method of class 10, `connection`.
fn send_method(stream: &mut TcpStream, method: u8, arguments: &[u8]) {
    let length = u32::try_from(arguments.len() + 4).unwrap().to_be_bytes();
    let frame = [&[1, 0, 0], &length[..], &[0, 10, 0, method], arguments, &[0xCE]].concat();
    stream.write_all(&frame).unwrap();
}

/// Class and method of the next frame.
fn read_method(stream: &mut TcpStream) -> (u8, u8) {
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes(head[3..].try_into().unwrap());
    let mut rest = vec![0; usize::try_from(length).unwrap() + 1];
    stream.read_exact(&mut rest).unwrap();
    (rest[1], rest[3])
}
