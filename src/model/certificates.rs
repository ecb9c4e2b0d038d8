//! The files of a configuration that hold expiring certificates: the gateway's own, and those of
//! trusted authorities.

use crate::model::KeyManagerTemplate;
use crate::model::Model;
use crate::model::backend::{Backend, BackendTls};
use crate::model::gateway::{ClientAuth, ListenerTls};
use crate::model::key_manager::{ClientCertificate, PemFile};

/// A file of certificates, and its purpose.
#[derive(Debug, Clone, Copy)]
pub struct CertificateFile<'m> {
    pub file: &'m PemFile,
    pub role: CertificateRole,
}

/// The purpose of the certificates in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateRole {
    /// A chain that listeners show to clients.
    Listener,
    /// A chain that the management listener shows.
    Management,
    /// Authorities of client certificates.
    ClientAuthorities,
    /// A chain that the gateway shows to servers.
    Client,
    /// Authorities of servers.
    ServerAuthorities,
}

impl CertificateRole {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Management => "management",
            Self::ClientAuthorities => "client_authorities",
            Self::Client => "client",
            Self::ServerAuthorities => "server_authorities",
        }
    }

    /// Tells how a file expires: a chain with its first certificate to expire, a list of
    /// authorities with its last.
    pub fn is_chain(self) -> bool {
        matches!(self, Self::Listener | Self::Management | Self::Client)
    }
}

/// Returns each file once for each of its roles.
pub fn files(model: &Model) -> Vec<CertificateFile<'_>> {
    let mut files = CertificateFiles::default();
    for tls in model.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        files.listener(tls);
    }
    if let Some(pair) = model.management.as_ref().and_then(|management| management.tls.as_ref()) {
        files.add(&pair.certificate, CertificateRole::Management);
    }
    let backends = model.apis.iter().flat_map(|api| api.production.iter().chain(&api.sandbox));
    for Backend { tls: BackendTls { ca, client_certificate, .. }, .. } in backends {
        files.server(ca.as_ref(), client_certificate.as_ref());
    }
    let outlines = model.templates.iter().map(KeyManagerTemplate::outline);
    for key_manager in model.key_managers.iter().chain(outlines) {
        let fetch = &key_manager.fetch;
        files.server(fetch.ca.as_ref(), fetch.client_certificate.as_ref());
    }
    if let Some(tls) =
        model.revocation_channel.as_ref().and_then(|channel| channel.login.tls.as_ref())
    {
        files.server(tls.ca.as_ref(), tls.client_certificate.as_ref());
    }
    files.0
}

#[derive(Default)]
struct CertificateFiles<'m>(Vec<CertificateFile<'m>>);

impl<'m> CertificateFiles<'m> {
    fn listener(&mut self, tls: &'m ListenerTls) {
        self.add(&tls.default.certificate, CertificateRole::Listener);
        for named in &tls.by_name {
            self.add(&named.pair.certificate, CertificateRole::Listener);
        }
        match &tls.clients {
            ClientAuth::None => {}
            ClientAuth::Optional(file) | ClientAuth::Required(file) => {
                self.add(file, CertificateRole::ClientAuthorities);
            }
        }
    }

    fn server(&mut self, ca: Option<&'m PemFile>, shown: Option<&'m ClientCertificate>) {
        if let Some(ca) = ca {
            self.add(ca, CertificateRole::ServerAuthorities);
        }
        if let Some(shown) = shown {
            self.add(&shown.certificate, CertificateRole::Client);
        }
    }

    fn add(&mut self, file: &'m PemFile, role: CertificateRole) {
        let known = self.0.iter().any(|known| known.role == role && known.file.path == file.path);
        if !known {
            self.0.push(CertificateFile { file, role });
        }
    }
}
