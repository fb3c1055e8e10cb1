//! The page, and what only it asks for (`/api/…`).

use axum::Router;

use crate::AppState;

/// The page's routes. It has no fallback: what nobody serves is answered by
/// [`router`](crate::router).
pub(crate) fn router(_state: AppState) -> Router {
    Router::new()
}
