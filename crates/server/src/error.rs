//! Why a request is refused, in the shapes in which clients expect to be told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal: what is wrong, and with which field of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    status: StatusCode,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    retry_after_s: Option<u32>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None, retry_after_s: None }
    }

    /// A field of the request makes no sense.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message).about(param)
    }

    /// The request as a whole makes no sense.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The body is larger than is read.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message).called("body_too_large")
    }

    /// The body did not come in time.
    pub(crate) fn slow_body() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come in time")
    }

    /// The key is missing or wrong.
    pub(crate) fn no_key(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message).called("invalid_api_key")
    }

    /// Who asks may not.
    pub(crate) fn forbidden(message: impl Into<String>, code: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, message).called(code)
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message).called("not_found")
    }

    /// The path answers other methods.
    pub(crate) fn wrong_method(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message).called("method_not_allowed")
    }

    /// The model is not installed.
    pub(crate) fn no_model(name: &str, installed: &[String]) -> Self {
        let known = if installed.is_empty() { "none".to_owned() } else { installed.join(", ") };
        let message = format!(
            "the model {name:?} is not installed; installed: {known} (`mynah pull NAME` adds one)"
        );
        Self::new(StatusCode::NOT_FOUND, message).about("model").called("model_not_found")
    }

    /// As many requests wait as may.
    pub(crate) fn busy(limit: usize) -> Self {
        let message = format!("{limit} requests are answered or wait already; try again later");
        Self { retry_after_s: Some(2), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
            .called("queue_full")
    }

    /// The request could not be begun now.
    pub(crate) fn unavailable(message: impl Into<String>, code: &'static str) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message).called(code);
        Self { retry_after_s: Some(5), ..error }
    }

    /// Something failed that is not the client's fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The same error, about this field.
    #[must_use]
    pub(crate) fn about(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same error, with a code that programs can tell it by.
    #[must_use]
    pub(crate) fn called(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The field at fault, such as `messages[2].content`.
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// What programs can tell it by.
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The body in OpenAI's shape.
    pub(crate) fn openai(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        json!({"error": {"message": self.message, "type": kind, "param": self.param,
            "code": self.code}})
    }

    /// The body in Anthropic's shape, which has no place for the field but the message.
    pub(crate) fn anthropic(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        let message = match &self.param {
            Some(param) => format!("{param}: {}", self.message),
            None => self.message.clone(),
        };
        json!({"type": "error", "error": {"type": kind, "message": message}})
    }

    /// The response to a request for this path.
    pub(crate) fn response(&self, path: &str) -> Response {
        let is_anthropic = path.starts_with("/v1/messages");
        let body = if is_anthropic { self.anthropic() } else { self.openai() };
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response("")
    }
}
