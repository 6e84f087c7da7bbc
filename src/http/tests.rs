//! Tests over real loopback sockets, in raw HTTP.

#![allow(clippy::needless_raw_string_hashes)] // expect-test writes them

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};

use super::server::Limits;
use super::{HttpError, Options, Server, TokenHash, client, start};
use crate::config::kpis::Kpis;
use crate::engine::census::Census;
use crate::engine::rules::Rules;
use crate::telemetry::inquiry::Counted;
use crate::telemetry::view::PartitionView;
use crate::telemetry::{Readiness, RestoreProgress, Role, Settings, Telemetry};
use crate::units::{PartitionIndex, Timestamp};
use crate::wire::{self, census::InstanceCensus};

/// `printf %s secret | sha256sum`
const SECRET_SHA256: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn telemetry() -> Telemetry {
    let rules_hash = "00000000deadbeef".to_owned();
    Telemetry::new(Settings {
        rules_hash,
        ..Settings::new(&[Role::Ingest, Role::Engine, Role::Serve], &Rules::default(), &Kpis::default())
    })
    .unwrap()
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn open(telemetry: &Telemetry) -> Server {
    start(Options { listen: loopback(), token: None }, telemetry.clone()).unwrap()
}

/// Sends `request` as it stands and reads until the server closes.
fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A server that refuses a request early may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn request(server: &Server, line: &str, headers: &str) -> String {
    exchange(server, format!("{line} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{headers}\r\n").as_bytes())
}

/// Status line, headers that matter and body.
fn check(server: &Server, line: &str, headers: &str, expected: &Expect) {
    let answer = request(server, line, headers);
    let kept: Vec<&str> = answer
        .split("\r\n")
        .filter(|line| !["date:", "content-length:", "connection:"].iter().any(|name| line.starts_with(name)))
        .collect();
    expected.assert_eq(&(kept.join("\n") + "\n"));
}

#[test]
fn metrics_are_served_as_prometheus_text() {
    let server = open(&telemetry());
    let answer = request(&server, "GET /metrics", "");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("\n# TYPE churnwatch_records_read_total counter\n"), "{body}");
}

#[test]
fn readiness_follows_assignment_and_restore() {
    let telemetry = telemetry();
    let server = open(&telemetry);
    check(
        &server,
        "GET /readyz",
        "",
        &expect![[r#"
        HTTP/1.1 503 Service Unavailable
        content-type: application/json
        cache-control: no-store
        x-content-type-options: nosniff

        {"ready":false,"roles":["ingest","engine","serve"],"missing":[{"role":"ingest","state":"unassigned","restore_remaining":0},{"role":"engine","state":"unassigned","restore_remaining":0}]}
    "#]],
    );
    telemetry.ready(Role::Ingest, Readiness::Ready);
    telemetry.restore(PartitionIndex(0), RestoreProgress { records: 10, remaining: 5 });
    telemetry.ready(Role::Engine, Readiness::Restoring);
    check(
        &server,
        "GET /readyz",
        "",
        &expect![[r#"
        HTTP/1.1 503 Service Unavailable
        content-type: application/json
        cache-control: no-store
        x-content-type-options: nosniff

        {"ready":false,"roles":["ingest","engine","serve"],"missing":[{"role":"engine","state":"restoring","restore_remaining":5}]}
    "#]],
    );
    telemetry.restore(PartitionIndex(0), RestoreProgress { records: 15, remaining: 0 });
    telemetry.ready(Role::Engine, Readiness::Ready);
    check(
        &server,
        "GET /readyz",
        "",
        &expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        cache-control: no-store
        x-content-type-options: nosniff

        {"ready":true,"roles":["ingest","engine","serve"],"missing":[]}
    "#]],
    );
    check(
        &server,
        "GET /livez",
        "",
        &expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        cache-control: no-store
        x-content-type-options: nosniff

        {"alive":true}
    "#]],
    );
}

#[test]
fn version_tells_what_runs() {
    let server = open(&telemetry());
    let answer = request(&server, "GET /version", "");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let version: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["rules"], "00000000deadbeef");
    assert_eq!(version["roles"], serde_json::json!(["ingest", "engine", "serve"]));
}

#[test]
fn what_does_not_exist_is_a_problem_in_json() {
    let server = open(&telemetry());
    check(
        &server,
        "GET /nothing",
        "",
        &expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: application/problem+json
        cache-control: no-store
        x-content-type-options: nosniff

        {"title":"Not Found","status":404,"detail":"there is /metrics, /livez, /readyz, /version and /api/v1/census"}
    "#]],
    );
    check(
        &server,
        "POST /metrics",
        "content-length: 0\r\n",
        &expect![[r#"
        HTTP/1.1 405 Method Not Allowed
        content-type: application/problem+json
        cache-control: no-store
        x-content-type-options: nosniff
        allow: GET,HEAD

        {"title":"Method Not Allowed","status":405,"detail":"use GET or HEAD"}
    "#]],
    );
    check(
        &server,
        "HEAD /livez",
        "",
        &expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        cache-control: no-store
        x-content-type-options: nosniff


    "#]],
    );
}

#[test]
fn the_token_guards_all_but_the_probes() {
    let token = Some(TokenHash::parse(SECRET_SHA256).unwrap());
    let server = start(Options { listen: loopback(), token }, telemetry()).unwrap();
    let status = |line: &str, headers: &str| {
        let answer = request(&server, line, headers);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for path in ["/metrics", "/version"] {
        let line = format!("GET {path}");
        assert_eq!(status(&line, ""), "401");
        assert_eq!(status(&line, "authorization: Bearer wrong\r\n"), "401");
        assert_eq!(status(&line, "authorization: Bearer\r\n"), "401");
        assert_eq!(status(&line, "authorization: Basic secret\r\n"), "401");
        assert_eq!(status(&line, &format!("authorization: Bearer {SECRET_SHA256}\r\n")), "401");
        assert_eq!(status(&line, "authorization: Bearer secret\r\n"), "200");
        assert_eq!(status(&line, "authorization: bearer secret\r\n"), "200");
    }
    assert_eq!(status("GET /api/v1/census", ""), "401");
    assert_eq!(status("GET /api/v1/census", "authorization: Bearer secret\r\n"), "503");
    assert_eq!(status("POST /metrics", ""), "405");
    assert_eq!(status("GET /livez", ""), "200");
    assert_eq!(status("GET /readyz", ""), "503");
    check(
        &server,
        "GET /metrics",
        "",
        &expect![[r#"
        HTTP/1.1 401 Unauthorized
        content-type: application/problem+json
        www-authenticate: Bearer realm="churnwatch"
        cache-control: no-store
        x-content-type-options: nosniff

        {"title":"Unauthorized","status":401,"detail":"send the token as: Authorization: Bearer TOKEN"}
    "#]],
    );
}

#[test]
fn a_token_hash_is_64_hexadecimal_digits() {
    assert!(TokenHash::parse(&SECRET_SHA256.to_uppercase()).unwrap().admits(b"secret"));
    for wrong in ["", "secret", &SECRET_SHA256[1..], &"é".repeat(32), &"+f".repeat(32)] {
        assert!(matches!(TokenHash::parse(wrong), Err(HttpError::TokenHash)), "{wrong}");
    }
    assert_eq!(format!("{:?}", TokenHash::parse(SECRET_SHA256).unwrap()), "TokenHash(..)");
}

#[test]
fn what_cannot_be_listened_on_says_what_to_change() {
    let taken = TcpListener::bind(loopback()).unwrap();
    let message = |listen: SocketAddr| {
        let message = start(Options { listen, token: None }, telemetry()).unwrap_err().to_string();
        message.replace(&format!(":{}", listen.port()), ":PORT")
    };
    expect!["cannot listen on 127.0.0.1:PORT: the address is in use; stop the process that has it or set another one as http.listen"].assert_eq(&message(taken.local_addr().unwrap()));
    expect!["refusing to listen on 0.0.0.0:PORT: it can be reached from other machines; set http.token_sha256, or listen on 127.0.0.1"].assert_eq(&message("0.0.0.0:9464".parse().unwrap()));
}

#[test]
fn requests_beyond_the_limits_are_refused_and_the_server_lives_on() {
    let server = open(&telemetry());
    let long = format!("GET /livez HTTP/1.1\r\nhost: here\r\nx-long: {}\r\n\r\n", "a".repeat(64 * 1024));
    let answer = exchange(&server, long.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = (0..200).fold(String::new(), |all, index| all + &format!("x-{index}: 1\r\n"));
    let answer = request(&server, "GET /livez", &many);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = exchange(&server, b"\x16\x03\x01\x02\x00 this is no http\r\n\r\n");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(request(&server, "GET /livez", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn stopping_closes_idle_connections_and_frees_the_port() {
    let telemetry = telemetry();
    let server = open(&telemetry);
    let listen = server.address();
    let mut idle = TcpStream::connect(listen).unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.stop();
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    assert!(TcpStream::connect(listen).is_err());
    let again = start(Options { listen, token: None }, telemetry).unwrap();
    assert!(request(&again, "GET /livez", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn serving_on_a_runtime_ends_when_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = Options { listen: loopback(), token: None };
    runtime.block_on(super::serve(options, telemetry(), async {})).unwrap();
}

#[test]
fn a_silent_client_loses_its_connection_to_the_next_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = TcpListener::bind(loopback()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let limits = Limits { connections_max: 1, head_time_max: Duration::from_millis(20), ..Limits::default() };
    let serving = std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            super::server::run(listener, super::routes::router(telemetry(), None), limits, stopping).await;
        });
    });
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"GET /livez HTTP/1.1\r\nhost: he").unwrap();
    let mut next = TcpStream::connect(address).unwrap();
    next.write_all(b"GET /livez HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    next.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    stop.send_replace(true);
    serving.join().unwrap();
}

/// What asking the server for its census leads to: accounts and partitions, or why there are none.
fn census(server: &Server, token: Option<&str>) -> String {
    match client::get(&format!("http://{}", server.address()), "/api/v1/census", token) {
        Ok(body) => {
            let InstanceCensus { partitions, partitions_len, census, .. } = wire::census::decode(&body).unwrap();
            format!("{} accounts of {partitions:?} of {partitions_len}", census.accounts)
        }
        Err(error) => error.to_string().replace(&server.address().to_string(), "HERE"),
    }
}

#[test]
fn the_census_is_that_of_all_partitions_held_once_they_can_tell() {
    let telemetry = telemetry();
    let server = open(&telemetry);
    let mut shown = vec![census(&server, None)];
    telemetry.restore(PartitionIndex(1), RestoreProgress { records: 10, remaining: 5 });
    telemetry.ready(Role::Engine, Readiness::Restoring);
    shown.push(census(&server, None));
    telemetry.restore(PartitionIndex(1), RestoreProgress { records: 15, remaining: 0 });
    telemetry.ready(Role::Engine, Readiness::Ready);
    shown.push(census(&server, None));
    telemetry.publish(PartitionIndex(1), PartitionView::default());
    shown.push(census(&server, None));
    let now = Timestamp::clamped(1_767_571_200_000);
    telemetry.publish(PartitionIndex(1), PartitionView { clock: Some(now), ..PartitionView::default() });
    telemetry.publish(PartitionIndex(3), PartitionView::default());
    let engines = telemetry.clone();
    let worker = std::thread::spawn(move || {
        let question = loop {
            match engines.inquiry().asked() {
                Some(question) => break question,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(question.now, now);
        for (partition, accounts) in [(1, 40), (3, 2)] {
            let census = Census { accounts, ..Census::default() };
            let counted = Counted { partitions_len: 4, rules: Arc::default(), census };
            engines.inquiry().answer(PartitionIndex(partition), question, counted);
        }
    });
    shown.push(census(&server, None));
    worker.join().unwrap();
    let idle = Settings::new(&[Role::Ingest, Role::Serve], &Rules::default(), &Kpis::default());
    shown.push(census(&open(&Telemetry::new(idle).unwrap()), None));
    expect![[r#"
        http://HERE answers 503 Service Unavailable: the engine is not ready, its state may still be read back; /readyz tells when it is
        http://HERE answers 503 Service Unavailable: the engine is not ready, its state may still be read back; /readyz tells when it is
        http://HERE answers 503 Service Unavailable: this process holds no partition at present; ask the others
        http://HERE answers 503 Service Unavailable: no clock yet: not every source has been heard of
        42 accounts of [PartitionIndex(1), PartitionIndex(3)] of 4
        http://HERE answers 404 Not Found: no engine runs in this process; ask one that has the role engine
    "#]].assert_eq(&(shown.join("\n") + "\n"));
}

#[test]
fn who_asks_without_the_token_or_at_the_wrong_place_is_told_so() {
    let token = Some(TokenHash::parse(SECRET_SHA256).unwrap());
    let server = start(Options { listen: loopback(), token }, telemetry()).unwrap();
    let mut shown = vec![census(&server, None), census(&server, Some("wrong")), census(&server, Some("secret"))];
    let address = server.address();
    server.stop();
    let told = |address: &str| client::get(address, "/api/v1/census", None).unwrap_err().to_string();
    for address in
        ["127.0.0.1:9464", "https://127.0.0.1:9464", "http://here/metrics", "http://me:secret@here", "", "http://"]
    {
        shown.push(told(address));
    }
    shown.push(told(&format!("http://{address}")).replace(&address.to_string(), "HERE"));
    let deaf = TcpListener::bind(loopback()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = deaf.accept().unwrap();
        let _ = stream.read(&mut [0; 512]);
        stream.write_all(b"220 mail ready\r\n").unwrap();
    });
    shown.push(told(&format!("http://localhost:{port}")).replace(&port.to_string(), "PORT"));
    other.join().unwrap();
    expect![[r#"
        http://HERE answers 401 Unauthorized: send the token as: Authorization: Bearer TOKEN
        http://HERE answers 401 Unauthorized: send the token as: Authorization: Bearer TOKEN
        http://HERE answers 503 Service Unavailable: the engine is not ready, its state may still be read back; /readyz tells when it is
        "127.0.0.1:9464" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        "https://127.0.0.1:9464" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        "http://here/metrics" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        "here" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        "" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        "http://" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        cannot reach http://HERE: Connection refused (os error 111); is the service running there, with the role serve?
        http://localhost:PORT gave no answer that can be read: invalid HTTP version parsed; is that the service's HTTP address?
    "#]].assert_eq(&(shown.join("\n") + "\n"));
}
