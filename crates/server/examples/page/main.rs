//! The page's server for tests in a browser: the real routes and a real store, but answers that are
//! scripted, so that they are the same each time and need no model.
//!
//! Prints its address, and ends when its standard input does.
#![expect(clippy::print_stdout, reason = "who started it waits for the address")]

mod past;
mod script;

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use mynah_kernels::CacheFormat;
use mynah_server::{
    Access, AppState, Installed, Known, Library, LibraryError, Limits, Opened, Options, Progress,
};

/// Models that are said to be installed and never opened.
struct Shelf;

fn installed(name: &str, bytes: u64, licence: &str) -> Installed {
    Installed { name: name.into(), bytes, licence: Some(licence.into()), created: 1_772_366_400 }
}

impl Library for Shelf {
    fn list(&self) -> Result<Vec<Installed>, LibraryError> {
        Ok(vec![
            installed("smollm2-135m", 98_400_000, "apache-2.0"),
            installed("qwen2.5-coder-0.5b", 397_800_000, "apache-2.0"),
            installed("gemma3-270m", 253_100_000, "gemma"),
        ])
    }

    fn default_name(&self) -> String {
        "smollm2-135m".to_owned()
    }

    fn open(&self, name: &str) -> Result<Opened, LibraryError> {
        Err(LibraryError { message: format!("{name} is only said to be here"), hint: None })
    }

    fn pull(
        &self,
        reference: &str,
        tell: &(dyn Fn(Progress) -> bool + Sync),
    ) -> Result<Installed, LibraryError> {
        let at = |done| Progress { doing: "model.gguf".into(), done, of: Some(140_000_000) };
        // It comes to two thirds, and waits there to be looked at and stopped.
        while tell(at(91_000_000)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(LibraryError { message: format!("{reference} was stopped"), hint: None })
    }

    fn remove(&self, _: &str) -> Result<bool, LibraryError> {
        Err(LibraryError { message: "this shelf is for looking".into(), hint: None })
    }

    fn known(&self) -> Vec<Known> {
        let known = |name: &str, about: &str, bytes, licence: &str| Known {
            name: name.into(),
            description: about.into(),
            bytes,
            licence: licence.into(),
            needs_consent: licence == "gemma",
        };
        vec![
            known("all-minilm-l6-v2", "Vectors of English sentences.", 45_900_000, "apache-2.0"),
            known(
                "smollm2-360m",
                "A small model for conversations in English.",
                270_600_000,
                "apache-2.0",
            ),
            known(
                "gemma3-1b",
                "A model for conversations in many languages.",
                806_000_000,
                "gemma",
            ),
        ]
    }

    fn warn(&self, _: &str) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: page FOLDER")?;
    let database = folder.join("mynah.db");
    past::write(&database)?;
    let options = Options {
        access: Access::default(),
        model: None,
        memory_bytes: 4_000_000_000,
        cache_positions: 1024,
        cache_format: CacheFormat::F16,
        database: database.clone(),
        records: true,
        limits: Limits::default(),
        code: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(AppState::new(Arc::new(Shelf), options), database))
}

async fn serve(state: AppState, database: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let scripted = Router::new()
        .route("/v1/chat/completions", post(script::answer))
        .route("/v1/models", get(script::models))
        .with_state(database)
        .fallback_service(mynah_server::router(state));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(ended);
    });
    tokio::select! {
        served = axum::serve(listener, scripted).into_future() => served?,
        _ = end => {}
    }
    Ok(())
}
