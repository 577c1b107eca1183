//! Authentication: which schemes there are, and which must be used.

use pipeline::settings::DigestAlgorithm;

use super::values::Values;
use super::{AuthSettings, Provider, Raw, SettingsError};

const FAMILY: &str = "zookeeper.authProvider.";

pub(super) fn check(values: &Values<'_>, raw: &Raw) -> Result<AuthSettings, SettingsError> {
    let digest_enabled = values.boolean("zookeeper.DigestAuthenticationProvider.enabled", true);
    let providers = providers(values, raw);
    let enforce = enforced(values)?;
    let offered = |scheme: &str| {
        scheme == "ip"
            || (scheme == "digest" && digest_enabled)
            || providers.iter().any(|provider| provider.scheme() == scheme)
    };
    for scheme in enforce.iter().flatten() {
        if scheme == "sasl" || scheme == "x509" {
            return Err(SettingsError::Later {
                at: "zookeeper.enforce.auth.schemes".to_owned(),
                what: format!("clients would have to authenticate with {scheme}, which is not offered yet"),
            });
        }
        if !offered(scheme) {
            return Err(SettingsError::Rule(format!(
                "zookeeper.enforce.auth.schemes: authentication scheme {scheme} is not available"
            )));
        }
    }
    Ok(AuthSettings {
        digest_enabled,
        digest_algorithm: digest_algorithm(values)?,
        super_digest: values.text("zookeeper.DigestAuthenticationProvider.superDigest").map(str::to_owned),
        ensemble_names: values.text("zookeeper.ensembleAuthName").map(|names| {
            names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        }),
        any_sasl_user: values.text("zookeeper.letAnySaslUserDoX").map(str::to_owned),
        x509_super_user: values.text("zookeeper.X509AuthenticationProvider.superUser").map(str::to_owned),
        enforce,
        skip_acl: values.text("zookeeper.skipACL") == Some("yes"),
        providers,
    })
}

impl Provider {
    /// Its scheme.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Ip => "ip",
            Self::Ensemble => "ensemble",
            Self::Key => "key",
            Self::Sasl => "sasl",
            Self::X509 => "x509",
        }
    }
}

/// zk: ProviderRegistry.addOrUpdateProvider: a class that cannot be loaded is a warning
fn providers(values: &Values<'_>, raw: &Raw) -> Vec<Provider> {
    const KNOWN: [(&str, Provider); 6] = [
        ("DigestAuthenticationProvider", Provider::Digest),
        ("IPAuthenticationProvider", Provider::Ip),
        ("EnsembleAuthenticationProvider", Provider::Ensemble),
        ("KeyAuthenticationProvider", Provider::Key),
        ("SASLAuthenticationProvider", Provider::Sasl),
        ("X509AuthenticationProvider", Provider::X509),
    ];
    let mut providers = Vec::new();
    for name in raw.properties.keys().filter(|name| name.starts_with(FAMILY)) {
        let Some(given) = values.property(name) else { continue };
        let class = given.value.strip_prefix("org.apache.zookeeper.server.auth.");
        match KNOWN.iter().find(|(known, _)| Some(*known) == class) {
            Some((_, provider)) => {
                providers.push(*provider);
                if matches!(provider, Provider::Sasl | Provider::X509) {
                    let scheme = provider.scheme();
                    values.warn(format!(
                        "{}: {name}: ACLs may name {scheme}, but nobody can log in by it yet",
                        given.origin
                    ));
                }
            }
            None => values.warn(format!(
                "{}: {name}={}: expected a provider class of the reference; it is not loaded",
                given.origin, given.value
            )),
        }
    }
    providers
}

/// zk: AuthenticationHelper.initConfigurations
fn enforced(values: &Values<'_>) -> Result<Option<Vec<String>>, SettingsError> {
    const SASL: &str = "zookeeper.sessionRequireClientSASLAuth";
    const SCHEMES: &str = "zookeeper.enforce.auth.schemes";
    if values.boolean(SASL, false) {
        let at = values.property(SASL).map_or_else(String::new, |given| given.origin.to_string());
        return Err(SettingsError::Later {
            at,
            what: format!("{SASL}=true: SASL is not offered yet, so no client could connect"),
        });
    }
    let schemes: Vec<_> = values
        .text(SCHEMES)
        .map(|schemes| schemes.split(',').map(|scheme| scheme.trim().to_owned()).collect())
        .unwrap_or_default();
    if !values.boolean("zookeeper.enforce.auth.enabled", false) {
        return Ok(None);
    }
    if schemes.is_empty() {
        return Err(SettingsError::Rule(format!(
            "zookeeper.enforce.auth.enabled is true: {SCHEMES} must be set"
        )));
    }
    Ok(Some(schemes))
}

fn digest_algorithm(values: &Values<'_>) -> Result<DigestAlgorithm, SettingsError> {
    const NAME: &str = "zookeeper.DigestAuthenticationProvider.digestAlg";
    let name = values.text(NAME).unwrap_or("SHA1");
    DigestAlgorithm::from_jca_name(name).ok_or_else(|| {
        SettingsError::Rule(format!("{NAME}={name}: expected a hash such as SHA1, SHA-256 or SHA3-256"))
    })
}
