//! What the hub is told by its caller: nothing here is read from the environment.

use std::path::PathBuf;
use std::time::Duration;

/// Where things lie and how patient to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that everything is kept in: models, unfinished transfers, accepted licences.
    pub home: PathBuf,
    /// Where Hugging Face's interface answers; a mirror may stand in for it.
    pub hf_endpoint: String,
    /// The Python package index, by its "simple" interface (PEP 503 or PEP 691).
    pub pip_index_url: String,
    /// The npm registry.
    pub npm_registry: String,
    /// The proxy that every request goes through, such as `http://proxy:3128`.
    pub proxy: Option<String>,
    /// Hosts that are asked without the proxy, separated by commas, as in `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// How the program names itself to servers.
    pub user_agent: String,
    /// Refuses every request: only what is kept already is used.
    pub offline: bool,
    /// Sent to `hf_endpoint` and to no other host.
    pub hf_token: Option<String>,
    /// A catalogue of the user's own; its entries come before the built-in ones.
    pub own_catalogue: Option<PathBuf>,
    /// Keeps what was fetched even if it is not a model: texts for a corpus or a test.
    pub keep_data: bool,
    /// How often and how long to wait for a server in trouble.
    pub patience: Patience,
    /// No file may be larger than this.
    pub largest_file_bytes: u64,
}

/// How often and how long to wait for a server in trouble.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How many times in a row a request may fail before the transfer is given up.
    pub tries: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub first_wait: Duration,
    /// No wait is longer, whatever a server's `Retry-After` says.
    pub longest_wait: Duration,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long a server may send nothing.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            connect: Duration::from_secs(15),
            silence: Duration::from_mins(1),
        }
    }
}

impl Config {
    /// The public services, everything kept in `home`.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            hf_endpoint: "https://huggingface.co".into(),
            pip_index_url: "https://pypi.org/simple".into(),
            npm_registry: "https://registry.npmjs.org".into(),
            proxy: None,
            no_proxy: None,
            user_agent: concat!("mynah/", env!("CARGO_PKG_VERSION")).into(),
            offline: false,
            hf_token: None,
            own_catalogue: None,
            keep_data: false,
            patience: Patience::default(),
            largest_file_bytes: 1 << 40,
        }
    }
}
