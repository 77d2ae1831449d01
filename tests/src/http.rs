use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// An address of this machine that nobody listens on at the moment.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// The whole answer to a `GET`, head and body.
pub fn get(address: &str, path: &str) -> String {
    ask(address, "GET", path)
}

/// Sends a request without a body; returns the head and the body of the answer.
pub fn request(address: &str, method: &str, path: &str) -> (String, String) {
    let answer = ask(address, method, path);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

fn ask(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
