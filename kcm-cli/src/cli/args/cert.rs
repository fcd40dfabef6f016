//! Arguments of `kcm cert`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kcm_pki::{GoDuration, Host, HostError, Hosts};

use crate::cluster::SecretSource;
use crate::ops::cert::{CaFiles, Input, Purpose, SigningFiles, Verification};

#[derive(Debug, Subcommand)]
pub(crate) enum CertVerb {
    /// Create a root CA with a new key, as `cfssl gencert -initca` does; with --ca, an intermediate
    /// CA
    NewCa(NewCaArguments),
    /// Create a key and a certificate request (PKCS #10), as `cfssl genkey` does
    Request(RequestArguments),
    /// Issue the certificate for a request; copy only its subject and key, as the signing profile
    /// says
    Sign(SignArguments),
    /// Create a key and its certificate, as `cfssl gencert` does
    Issue(IssueArguments),
    /// Show the certificates of a file or of a TLS server, without verification
    Show(ShowArguments),
    /// Verify a certificate as a TLS peer does; exit with 3 if it expires within --within
    Verify(VerifyArguments),
}

impl CertVerb {
    /// True if the command makes a key, a request or a certificate.
    pub(crate) fn makes(&self) -> bool {
        !matches!(self, Self::Show(_) | Self::Verify(_))
    }
}

/// The name of the files to write.
#[derive(Debug, Args)]
pub(crate) struct OutArguments {
    /// Write NAME.pem, NAME-key.pem (mode 0600) and NAME.csr, as `cfssljson -bare NAME` does; all
    /// or none
    #[arg(long, value_name = "NAME")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NewCaArguments {
    /// CSR file in the JSON format of cfssl; `-` is standard input. The section `ca` sets expiry and
    /// pathlen
    #[arg(value_name = "CSR.json")]
    pub(crate) csr: PathBuf,
    /// Certificate of the CA that issues an intermediate CA [default: none, create a root CA]
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    ca: Option<PathBuf>,
    /// Key of that CA; it may be encrypted
    #[arg(long, value_name = "FILE", requires = "ca")]
    ca_key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

impl NewCaArguments {
    /// True if an option names the source of a passphrase.
    pub(crate) fn has_passphrase(&self) -> bool {
        self.passphrase.passphrase_file.is_some() || self.passphrase.passphrase_env.is_some()
    }

    /// Returns the CA above an intermediate CA; `None` for a root.
    pub(crate) fn issuer(&self) -> Option<CaFiles> {
        let (certificate, key) = (self.ca.clone()?, self.ca_key.clone()?);
        Some(CaFiles { certificate, key, passphrase: self.passphrase.source() })
    }
}

#[derive(Debug, Args)]
pub(crate) struct RequestArguments {
    /// CSR file in the JSON format of cfssl; `-` is standard input
    #[arg(value_name = "CSR.json")]
    pub(crate) csr: PathBuf,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

/// A CA, its policy, and the names of the certificate.
#[derive(Debug, Args)]
pub(crate) struct SigningArguments {
    /// Certificate of the CA
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Key of the CA; it may be encrypted
    #[arg(long, value_name = "FILE")]
    ca_key: PathBuf,
    /// Signing config in the JSON format of cfssl [default: all TLS usages, 8760h]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Profile of the signing config [default: signing.default]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Subject alternative names, separated by commas, instead of those of the CSR file
    #[arg(long, value_name = "NAMES", value_parser = hosts)]
    pub(crate) hostname: Option<Hosts>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// The source of the passphrase of an encrypted key. Without one, kcm asks on the terminal.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArguments {
    /// File whose first line is the passphrase of the CA key
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    passphrase_file: Option<PathBuf>,
    /// Name of the environment variable with the passphrase of the CA key
    #[arg(long, value_name = "NAME")]
    passphrase_env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// Certificate request in PEM, or JSON output of cfssl; `-` is standard input
    #[arg(value_name = "REQUEST")]
    pub(crate) request: PathBuf,
    /// File in the JSON format of cfssl with another subject for the certificate
    #[arg(value_name = "SUBJECT.json")]
    pub(crate) subject: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signing: SigningArguments,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

#[derive(Debug, Args)]
pub(crate) struct IssueArguments {
    /// CSR file in the JSON format of cfssl; `-` is standard input
    #[arg(value_name = "CSR.json")]
    pub(crate) csr: PathBuf,
    #[command(flatten)]
    pub(crate) signing: SigningArguments,
    #[command(flatten)]
    pub(crate) out: OutArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// File with certificates in PEM, `-` for standard input, or address of a TLS server
    #[arg(value_name = "FILE|HOST:PORT")]
    pub(crate) source: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// File with a certificate, and its intermediates if any, in PEM; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File with the trusted CA certificates
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Role of the certificate [default: client, or server if no client can use the certificate]
    #[arg(long, value_name = "ROLE", value_enum)]
    usage: Option<Role>,
    /// Names that the certificate must have, separated by commas
    #[arg(long, value_name = "NAMES", value_parser = hosts)]
    hostname: Option<Hosts>,
    /// Exit with 3 if the certificate expires within this time, such as 720h
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<GoDuration>)]
    within: Option<GoDuration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// A client, such as kube-controller-manager at the API server
    Client,
    /// A server
    Server,
}

/// Reads a list as cfssl does: an empty text is an empty list.
fn hosts(list: &str) -> Result<Hosts, HostError> {
    Hosts::parse(list.split(',').filter(|_| !list.is_empty()).map(str::trim))
}

impl SigningArguments {
    pub(crate) fn files(&self) -> SigningFiles {
        SigningFiles {
            ca: CaFiles {
                certificate: self.ca.clone(),
                key: self.ca_key.clone(),
                passphrase: self.passphrase.source(),
            },
            config: self.config.clone(),
            profile: self.profile.clone(),
        }
    }
}

impl PassphraseArguments {
    pub(crate) fn source(&self) -> SecretSource {
        match (&self.passphrase_file, &self.passphrase_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(name)) => SecretSource::Env(name.clone()),
            (None, None) => SecretSource::Terminal,
        }
    }
}

impl VerifyArguments {
    pub(crate) fn verification(&self) -> Verification {
        let hosts = self.hostname.iter().flat_map(Hosts::iter);
        Verification {
            file: Input::new(&self.file),
            ca: Input::new(&self.ca),
            purpose: self.usage.map(|role| match role {
                Role::Client => Purpose::Client,
                Role::Server => Purpose::Server,
            }),
            hosts: hosts.cloned().collect::<Vec<Host>>(),
            within: self.within.map(GoDuration::as_duration).unwrap_or_default(),
        }
    }
}
