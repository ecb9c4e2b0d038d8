//! Makes development certificates: an authority for this machine, and a pair for `localhost` that
//! it signs.
//!
//! An existing file is never overwritten, and half a pair is an error. Private keys are readable by
//! their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use x509_parser::pem::parse_x509_pem;

use crate::model::clock::{Clock, UnixSeconds};

const AUTHORITY_NAME: &str = "Portcullis development CA";
/// The names in the gateway's certificate.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const AUTHORITY_YEARS: i64 = 10;
/// The lifetime of the gateway's certificate; some clients refuse more than 825 days.
const CERTIFICATE_YEARS: i64 = 2;
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// The fate of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneratedFile {
    Made(PathBuf),
    /// The file existed and is unchanged.
    Kept(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{} exists, but {} does not: restore the missing file, or remove the other one to have \
             both made again", present.display(), missing.display())]
    HalfAPair { present: PathBuf, missing: PathBuf },
    #[error("{} and its key are not a development authority that was made here: remove both to \
             have them made again", path.display())]
    ForeignAuthority { path: PathBuf },
    #[error("{} cannot be read or written", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the certificate cannot be made")]
    Make(#[from] rcgen::Error),
    #[error("the clock shows a year that a certificate cannot contain")]
    Clock,
}

/// Makes the missing pairs of `gateway.crt`/`.key` and `dev-ca.crt`/`.key` in `folder`. If the
/// gateway's pair exists, no authority is needed, so none is made.
pub fn make(folder: &Path, clock: &dyn Clock) -> Result<Vec<GeneratedFile>, CertificateError> {
    let gateway = Pair::at(folder, "gateway");
    if gateway.exists()? {
        return Ok(gateway.into_files(GeneratedFile::Kept));
    }
    let authority = Pair::at(folder, "dev-ca");
    let authority_exists = authority.exists()?;
    fs::create_dir_all(folder)
        .map_err(|source| CertificateError::File { path: folder.to_owned(), source })?;
    let now = clock.now();

    let key = if authority_exists { authority.load_authority()? } else { KeyPair::generate()? };
    let params = authority_params(now)?;
    if !authority_exists {
        let certificate = params.self_signed(&key)?;
        authority.write(&key, &certificate.pem())?;
    }
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate()?;
    let certificate = gateway_params(now)?.signed_by(&key, &issuer)?;
    gateway.write(&key, &certificate.pem())?;

    let mut files = authority.into_files(if authority_exists {
        GeneratedFile::Kept
    } else {
        GeneratedFile::Made
    });
    files.extend(gateway.into_files(GeneratedFile::Made));
    Ok(files)
}

fn authority_params(now: UnixSeconds) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(params, now, AUTHORITY_YEARS)
}

fn gateway_params(now: UnixSeconds) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid_for(params, now, CERTIFICATE_YEARS)
}

/// Sets the validity. It starts yesterday, so that a clock that is a little late does not matter.
fn valid_for(
    mut params: CertificateParams,
    UnixSeconds(now): UnixSeconds,
    years: i64,
) -> Result<CertificateParams, CertificateError> {
    let day = |span: Span| {
        let second = i64::try_from(now).ok()?;
        let date = Timestamp::from_second(second)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .date()
            .checked_add(span)
            .ok()?;
        let (month, day) = (u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?);
        Some(rcgen::date_time_ymd(i32::from(date.year()), month, day))
    };
    params.not_before = day(Span::new().days(-1)).ok_or(CertificateError::Clock)?;
    params.not_after =
        Span::new().try_years(years).ok().and_then(day).ok_or(CertificateError::Clock)?;
    Ok(params)
}

/// A certificate and its key, side by side.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn at(folder: &Path, name: &str) -> Pair {
        Pair {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        }
    }

    fn exists(&self) -> Result<bool, CertificateError> {
        let half = |present: &Path, missing: &Path| CertificateError::HalfAPair {
            present: present.to_owned(),
            missing: missing.to_owned(),
        };
        // a dangling link counts as existing: writing would follow it
        match (
            fs::symlink_metadata(&self.certificate).is_ok(),
            fs::symlink_metadata(&self.key).is_ok(),
        ) {
            (true, false) => Err(half(&self.certificate, &self.key)),
            (false, true) => Err(half(&self.key, &self.certificate)),
            (both, _) => Ok(both),
        }
    }

    /// Returns the key, after a check that the certificate beside it is the demo's own and belongs
    /// to it.
    fn load_authority(&self) -> Result<KeyPair, CertificateError> {
        let foreign = || CertificateError::ForeignAuthority { path: self.certificate.clone() };
        let key = KeyPair::from_pem(&read(&self.key)?).map_err(|_| foreign())?;
        let pem = read(&self.certificate)?;
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| foreign())?;
        let certificate = block.parse_x509().map_err(|_| foreign())?;
        let named_as_ours = certificate
            .subject()
            .iter_common_name()
            .any(|name| name.as_str() == Ok(AUTHORITY_NAME));
        if named_as_ours && certificate.public_key().raw == key.subject_public_key_info() {
            Ok(key)
        } else {
            Err(foreign())
        }
    }

    /// Writes the key first: a certificate without its key would be worse than the reverse.
    fn write(&self, key: &KeyPair, certificate: &str) -> Result<(), CertificateError> {
        write_new(&self.key, &key.serialize_pem(), PRIVATE)?;
        write_new(&self.certificate, certificate, PUBLIC)
    }

    fn into_files(self, became: fn(PathBuf) -> GeneratedFile) -> Vec<GeneratedFile> {
        vec![became(self.certificate), became(self.key)]
    }
}

fn read(path: &Path) -> Result<String, CertificateError> {
    fs::read_to_string(path)
        .map_err(|source| CertificateError::File { path: path.to_owned(), source })
}

fn write_new(path: &Path, content: &str, mode: u32) -> Result<(), CertificateError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|source| CertificateError::File { path: path.to_owned(), source })
}
