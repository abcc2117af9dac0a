//! Versions of Docker Engine and of cri-dockerd, and which go together.

use crate::runtime::{KubernetesVersion, Refusal, Spoken, leading_number};

/// A version of Docker Engine or of cri-dockerd.
pub(crate) use crate::runtime::Release as Version;

/// Refuses a Docker Engine whose `daemon.json` is not known here.
pub(crate) fn check_docker(docker: Version) -> Result<(), Refusal> {
    if docker >= Version::new(20, 10, 0) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "Docker Engine {docker} is too old: hardstand configures 20.10 and newer"
    ))
    .help("bring Docker Engine to a supported release first"))
}

/// Whether dockerd checks a file when it is asked to (`--validate`).
pub(crate) fn checks_its_file(docker: Version) -> bool {
    docker >= Version::new(23, 0, 0)
}

/// Refuses a cri-dockerd that this kubelet cannot speak to.
pub(crate) fn check_kubernetes(
    cri_dockerd: Version,
    kubernetes: KubernetesVersion,
) -> Result<(), Refusal> {
    let spoken = spoken(cri_dockerd);
    if spoken.fits(kubernetes.spoken()) {
        return Ok(());
    }
    if spoken == Spoken::V1Alpha2 {
        return Err(Refusal::new(format!(
            "cri-dockerd {cri_dockerd} does not speak CRI v1, and a kubelet {kubernetes} speaks nothing else"
        ))
        .help("install cri-dockerd 0.3 or newer"));
    }
    Err(Refusal::new(format!(
        "cri-dockerd {cri_dockerd} speaks only CRI v1, and a kubelet {kubernetes} does not"
    ))
    .help("install cri-dockerd 0.3.0 to 0.3.21"))
}

/// The first Docker Engine that refuses old clients, and the API that its floor must be lowered to for them.
const WITH_FLOOR: Version = Version::new(29, 0, 0);
const OLD_API: (u32, u32) = (1, 43);

/// Whether a Docker Engine has a floor that a setting may lower.
pub(crate) fn has_floor(docker: Version) -> bool {
    docker >= WITH_FLOOR
}

/// Whether a `min-api-version` lets old clients in; none if it is no version.
pub(crate) fn lets_old_clients_in(floor: &str) -> Option<bool> {
    let (major, rest) = leading_number(floor)?;
    let (minor, rest) = leading_number(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((major, minor) <= OLD_API)
}

/// Refuses a cri-dockerd whose requests this Docker Engine answers with an error.
pub(crate) fn check_pair(cri_dockerd: Version, docker: Version) -> Result<(), Refusal> {
    if docker >= WITH_FLOOR && cri_dockerd < Version::new(0, 3, 16) {
        return Err(Refusal::new(format!(
            "cri-dockerd {cri_dockerd} speaks API 1.43 to Docker, and Docker Engine {docker} wants 1.44 at least"
        ))
        .help("install cri-dockerd 0.3.16 or newer"));
    }
    let wants_1_42 = (Version::new(0, 4, 0)..Version::new(0, 4, 2)).contains(&cri_dockerd);
    if wants_1_42 && docker < Version::new(23, 0, 0) {
        return Err(Refusal::new(format!(
            "cri-dockerd {cri_dockerd} wants API 1.42 of Docker at least, and Docker Engine {docker} speaks 1.41"
        ))
        .help("install Docker Engine 23 or newer, or another release of cri-dockerd"));
    }
    Ok(())
}

/// Returns what a cri-dockerd speaks to a kubelet.
pub(crate) fn spoken(cri_dockerd: Version) -> Spoken {
    let only_v1 = cri_dockerd >= Version::new(0, 4, 2)
        || (Version::new(0, 3, 22)..Version::new(0, 4, 0)).contains(&cri_dockerd);
    if cri_dockerd < Version::new(0, 3, 0) {
        Spoken::V1Alpha2
    } else if only_v1 {
        Spoken::V1
    } else {
        Spoken::Both
    }
}

/// Returns the tag of the pause image that a cri-dockerd takes if no flag names one.
pub(crate) fn pause_tag(cri_dockerd: Version) -> &'static str {
    match cri_dockerd {
        version if version < Version::new(0, 2, 1) => "3.1",
        version if version < Version::new(0, 3, 10) => "3.6",
        version if version < Version::new(0, 3, 17) => "3.9",
        _ => "3.10",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let version = |text| Version::parse(text).unwrap();
        for (cri_dockerd, docker, fits) in [
            ("0.3.15", "28.5.2", true),
            ("0.3.15", "29.0.0", false),
            ("0.3.16", "29.0.0", true),
            ("0.4.0", "20.10.24", false),
            ("0.4.1", "23.0.0", true),
            ("0.4.2", "20.10.24", true),
        ] {
            let checked = check_pair(version(cri_dockerd), version(docker));
            assert_eq!(checked.is_ok(), fits, "{cri_dockerd} {docker}");
        }
        for (cri_dockerd, kubernetes, fits) in [
            ("0.2.6", "1.25", true),
            ("0.2.6", "1.26", false),
            ("0.3.0", "1.31", true),
            ("0.3.21", "1.22", true),
            ("0.3.22", "1.22", false),
            ("0.4.1", "1.22", true),
            ("0.4.2", "1.22", false),
            ("0.4.2", "1.23", true),
        ] {
            let checked = check_kubernetes(version(cri_dockerd), kubernetes.parse().unwrap());
            assert_eq!(checked.is_ok(), fits, "{cri_dockerd} {kubernetes}");
        }
        assert!(check_docker(version("19.03.15")).is_err());
        assert!(check_docker(version("20.10.0")).is_ok());
    }
}
