//! Connections: how many, how long their requests may take to come, and how they end.

use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::{AppState, router};

/// How often it is asked whether the server is to end.
const LOOK: Duration = Duration::from_millis(50);

/// How long streams may take to write their ends when their answers were cancelled.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How many threads do what would stop others: templates, tokens, grammars, files.
const N_PREPARING: usize = 16;

/// Who a connection is with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Why a server cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system does not give what is needed.
    #[error("cannot serve: {0}")]
    System(#[from] std::io::Error),
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    state: AppState,
}

impl Server {
    /// Listens at an address; at port 0 the system chooses one.
    ///
    /// # Errors
    /// If it cannot.
    pub fn bind(address: SocketAddr, state: AppState) -> Result<Self, ServeError> {
        let fault = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(fault)?;
        listener.set_nonblocking(true).map_err(fault)?;
        Ok(Self { listener, state })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers until `is_to_end` says so; then lets answers come to their end for a while, cancels
    /// what is left, and returns when everything is kept and every thread has ended.
    ///
    /// # Errors
    /// If the system does not give what is needed.
    pub fn run(self, is_to_end: impl Fn() -> bool) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(N_PREPARING)
            .build()?;
        let served = runtime.block_on(serve(self.listener, &self.state, is_to_end));
        runtime.shutdown_timeout(LAST_WORDS);
        self.state.close();
        served
    }
}

async fn serve(
    listener: TcpListener,
    state: &AppState,
    is_to_end: impl Fn() -> bool,
) -> Result<(), ServeError> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let limits = state.options().limits.clone();
    let places = Arc::new(Semaphore::new(limits.connections));
    let app = TowerToHyperService::new(router(state.clone()));
    let mut connections = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            (stream, peer, place) = accept(&listener, &places) => {
                let (app, state) = (app.clone(), state.clone());
                connections.spawn(connection(stream, peer, place, app, state));
            }
            // Those that have ended.
            Some(_) = connections.join_next() => {}
            _ = look.tick() => {
                if is_to_end() {
                    break;
                }
            }
        }
    }
    drop(listener);
    state.end();
    let ended = async { while connections.join_next().await.is_some() {} };
    let mut ended = pin!(ended);
    if tokio::time::timeout(limits.grace, &mut ended).await.is_err() {
        state.models().cancel_all();
        // What does not take its last words in time is closed.
        let _ = tokio::time::timeout(LAST_WORDS, &mut ended).await;
    }
    Ok(())
}

/// Waits for a place, then for a connection. Others wait in the system's own queue.
async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            // The semaphore is never closed.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            // It went away at once, or the program has too many files open: that passes.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Answers the requests of one connection.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    _place: OwnedSemaphorePermit,
    app: TowerToHyperService<axum::Router>,
    state: AppState,
) {
    // Tokens are small and are to be seen at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        app.call(request)
    });
    let limits = &state.options().limits;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut ending = state.ending();
    tokio::select! {
        // A client that breaks off is its own affair.
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|is_ending| *is_ending) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
