//! A real Prometheus server on loopback, and what the tests ask of it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{free_port, http};

/// A Prometheus server; killed when dropped.
pub struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// Starts one with the configuration in `config`; its data and its log go into `folder`.
    pub fn start(config: &Path, folder: &Path) -> Prometheus {
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("prometheus.log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run prometheus: {error}; run scripts/test, which fetches it"));
        Prometheus { child, port }
    }

    /// The `data` that the API answers to `path` with `parameters`; `Err` has what went wrong.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let encode = |text: &str| text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
        let parameters: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let answer = http::get(self.port, &format!("/api/v1/{path}?{}", parameters.join("&"))).ok_or("no answer")?;
        let body: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        match (answer.status, &body["status"]) {
            (200, Value::String(status)) if status == "success" => Ok(body["data"].clone()),
            (status, _) => Err(format!("{status}: {}", body["error"])),
        }
    }

    /// The value of an instant query that gives one number; `None` while there is none.
    pub fn query(&self, query: &str) -> Option<f64> {
        let data = self.ask("query", &[("query", query)]).ok()?;
        data.pointer("/result/0/value/1")?.as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
