//! OpenAI's embeddings.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use serde_json::{Value, json};

use super::Sent;
use crate::wire::{self, EmbeddingAsk};
use crate::{ApiError, AppState};

pub(super) async fn answer(
    State(state): State<AppState>,
    sent: Sent,
) -> Result<Response, ApiError> {
    let ask = wire::read_embeddings(&sent.body, &state.options().limits)?;
    let EmbeddingAsk { model, input, as_base64, dimensions, truncate } = ask;
    let model = state.models().get(model.as_deref()).await?;
    let mut embedded = model.embedder()?.embed(input, truncate).await?;
    if let Some(wanted) = dimensions {
        for vector in &mut embedded.vectors {
            shorten(vector, wanted)?;
        }
    }
    let data = embedded.vectors.iter().enumerate().map(|(i, vector)| {
        let numbers = if as_base64 { to_base64(vector) } else { json!(vector) };
        json!({"object": "embedding", "index": i, "embedding": numbers})
    });
    let n = embedded.n_tokens;
    let body = json!({
        "object": "list",
        "model": model.name,
        "data": data.collect::<Vec<_>>(),
        "usage": {"prompt_tokens": n, "total_tokens": n},
    });
    Ok(axum::Json(body).into_response())
}

fn to_base64(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// Leaves the first numbers, and the vector's length 1.
fn shorten(vector: &mut Vec<f32>, wanted: usize) -> Result<(), ApiError> {
    if wanted > vector.len() {
        let message = format!("dimensions is {wanted}, but the model has {}", vector.len());
        return Err(ApiError::invalid("dimensions", message));
    }
    vector.truncate(wanted);
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_vector_has_length_1_again() {
        let mut vector = vec![0.6, 0.0, 0.8];
        shorten(&mut vector, 2).unwrap();
        assert_eq!(vector, [1.0, 0.0]);
        assert_eq!(shorten(&mut vector, 3).unwrap_err().param(), Some("dimensions"));
    }

    #[test]
    fn base64_holds_the_bits() {
        assert_eq!(to_base64(&[1.0, -2.0]), "AACAPwAAAMA=");
    }
}
