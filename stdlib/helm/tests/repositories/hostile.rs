//! Servers that are broken, or up to no good: refused with the place and the reason, within bounds.

use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::stage::Stage;

/// A chart of one file, packed.
fn archive(name: &str) -> Vec<u8> {
    let stage = Stage::new();
    let folder = crate::charts::write(&stage, name, "1.0.0");
    stage.call("helm::package", &json!({ "folder": folder, "to": "." })).value();
    stage.read(&format!("{name}-1.0.0.tgz"))
}

fn digest(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{:x}", Sha256::digest(content))
}

fn index(digest: &str) -> String {
    format!(
        "apiVersion: v1\nentries:\n  web:\n  - name: web\n    version: 1.0.0\n    urls: [web.tgz]\n    digest: {digest}\n"
    )
}

/// A repository that answers with `index` and `archive`.
fn refused_repository(index: Reply, archive: Reply) -> String {
    let answers = Mutex::new((index, archive));
    let server = Server::start(move |asked, _| {
        let (index, archive) = answers.lock().unwrap().clone();
        if asked.path == "/index.yaml" { index } else { archive }
    });
    let error = Stage::new().refusal(&json!({ "chart": "web", "repo": server.url() }));
    error.replace(&server.url(), "URL")
}

#[test]
fn a_wrong_digest_is_refused() {
    let archive = archive("web");
    let wrong = "0".repeat(64);
    let error = refused_repository(Reply::ok(index(&wrong)), Reply::ok(archive.clone()));
    let expected = format!(
        "URL/web.tgz does not have the digest that the repository's index says\n    expected sha256:{wrong}\n    got {}",
        digest(&archive)
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn an_archive_that_breaks_off_is_refused() {
    let archive = archive("web");
    let index = index(digest(&archive).trim_start_matches("sha256:"));
    let cut = archive[..archive.len() / 2].to_vec();
    let error =
        refused_repository(Reply::ok(index.clone()), Reply::ok(cut.clone()).announcing(archive.len()));
    assert!(error.starts_with("the answer to GET URL/web.tgz broke off"), "{error}");
    let error = refused_repository(Reply::ok(index.clone()), Reply::ok(cut));
    assert!(error.starts_with("URL/web.tgz does not have the digest"), "{error}");
    let error = refused_repository(Reply::ok(index), Reply::ok("<html>sign in</html>"));
    assert!(error.starts_with("URL/web.tgz cannot be used: it is no archive of a chart"), "{error}");
}

#[test]
fn a_repository_without_bounds_is_refused() {
    let begun = Instant::now();
    let huge = Reply::ok("apiVersion: v1\n").announcing(80 << 20);
    let error = refused_repository(huge, Reply::status(404));
    assert_eq!(error, "the answer to GET URL/index.yaml is larger than 67108864 bytes");
    let error = refused_repository(Reply::ok(vec![b'#'; 1 << 20]).endless(), Reply::status(404));
    assert_eq!(error, "the answer to GET URL/index.yaml is larger than 67108864 bytes");
    let error = refused_repository(Reply::ok(index("")), Reply::ok(vec![0x1f; 1 << 20]).endless());
    assert_eq!(error, "the answer to GET URL/web.tgz is larger than 104857600 bytes");
    assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
}

#[test]
fn an_archive_that_swells_is_refused() {
    let packed = |write: &dyn Fn(&mut dyn Write)| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        write(&mut gzip);
        gzip.finish().unwrap()
    };
    let zeros = packed(&|gzip| (0..300).for_each(|_| gzip.write_all(&[0; 1 << 20]).unwrap()));
    // Files without a content cost a header each.
    let mut header = tar::Header::new_gnu();
    header.set_path("web/empty").unwrap();
    header.set_size(0);
    header.set_cksum();
    let empty = packed(&|gzip| (0..300_000).for_each(|_| gzip.write_all(header.as_bytes()).unwrap()));
    let begun = Instant::now();
    for archive in [zeros, empty] {
        let error = refused_repository(Reply::ok(index(&digest(&archive))), Reply::ok(archive));
        assert_eq!(error, "web of URL, unpacked, is larger than 134217728 bytes");
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let outside = packed(&|gzip| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..20].copy_from_slice(b"web/../../../etc/pwd");
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, std::io::empty()).unwrap();
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    });
    let error = refused_repository(Reply::ok(index(&digest(&outside))), Reply::ok(outside));
    assert!(error.contains("chart illegally references parent directory"), "{error}");
}

#[test]
fn an_index_that_is_none_is_refused() {
    for (text, why) in [
        ("<html>sign in</html>", "the index of URL cannot be used"),
        ("entries: {web: 1}", "the index of URL cannot be used"),
        ("apiVersion: v1\nentries: {}", "URL has no chart `web`\n  hint: it has no charts at all"),
        (
            "entries: {web: [{version: 1.0.0}]}",
            "`web` 1.0.0 of URL cannot be used: its index gives no address",
        ),
        (
            "entries: {web: [{version: 1.0.0, urls: ['ftp://a/web.tgz']}]}",
            "`web` 1.0.0 of URL cannot be used",
        ),
        ("entries: {web: [null, {version: null}]}", "URL has no version of `web` that is a release"),
    ] {
        let error = refused_repository(Reply::ok(text), Reply::status(404));
        assert!(error.starts_with(why), "{text}: {error}");
    }
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let (name, of) = (char::from(b'a' + level), char::from(b'a' + level - 1));
        bomb.push_str(&format!("{name}: &{name} [*{of},*{of},*{of},*{of},*{of},*{of},*{of},*{of},*{of}]\n"));
    }
    let begun = Instant::now();
    let error = refused_repository(Reply::ok(format!("{bomb}entries: {{}}\n")), Reply::status(404));
    assert!(error.starts_with("the index of URL cannot be used"), "{error}");
    assert!(error.len() < 3000 && begun.elapsed().as_secs() < 60, "{:?}: {error}", begun.elapsed());
}

#[test]
fn an_endless_redirect_is_refused() {
    let server = Server::start(|asked, _| Reply::to(format!("{}x", asked.path)));
    let error = Stage::new().refusal(&json!({ "chart": "web", "repo": server.url() }));
    assert!(error.contains("leads from address to address, and not to an end in 10"), "{error}");
    assert_eq!(server.asked().len(), 11);
    let error = Stage::new().refusal(&json!(format!("oci://{}/web:1.0.0", server.host())));
    assert!(error.contains("leads from address to address, and not to an end in 10"), "{error}");
}

/// A registry of one chart that answers with this manifest and this blob.
fn refused_registry(reference: &str, manifest: &Value, blob: Reply, said: Option<&str>) -> String {
    let (manifest, said) = (manifest.to_string(), said.map(str::to_owned));
    let server = Server::start(move |asked, _| {
        if asked.path.contains("/manifests/") {
            let reply = Reply::ok(manifest.clone());
            return match &said {
                Some(digest) => reply.header("Docker-Content-Digest", digest),
                None => reply,
            };
        }
        if asked.path.contains("/blobs/") { blob.clone() } else { Reply::status(404) }
    });
    let error = Stage::new().refusal(&json!(format!("oci://{}/web{reference}", server.host())));
    error.replace(&server.host(), "HOST")
}

fn manifest(config: &str, layer: &str, digest: &str, size: usize) -> Value {
    json!({
        "schemaVersion": 2,
        "config": { "mediaType": config, "digest": digest, "size": 2 },
        "layers": [{ "mediaType": layer, "digest": digest, "size": size }],
    })
}

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

#[test]
fn a_registry_that_answers_something_else_is_refused() {
    let archive = archive("web");
    let (own, other) = (digest(&archive), digest(b"other"));
    let right = manifest(CONFIG, LAYER, &own, archive.len());
    let good = || Reply::ok(archive.clone());
    for (reference, manifest, blob, said, expected) in [
        (format!("@{other}"), &right, good(), None, "does not have the digest that who asked says"),
        (
            ":1.0.0".to_owned(),
            &right,
            good(),
            Some(other.as_str()),
            "does not have the digest that the registry says",
        ),
        (
            ":1.0.0".to_owned(),
            &manifest(CONFIG, LAYER, &other, archive.len()),
            good(),
            None,
            "the archive of oci://HOST/web:1.0.0 does not have the digest that its manifest says",
        ),
        (
            ":1.0.0".to_owned(),
            &manifest(CONFIG, LAYER, &own, 12),
            good(),
            None,
            "the archive of oci://HOST/web:1.0.0 has ",
        ),
        (
            ":1.0.0".to_owned(),
            &manifest(CONFIG, LAYER, &own, usize::MAX / 2),
            good(),
            None,
            "is larger than 104857600 bytes",
        ),
        (":1.0.0".to_owned(), &manifest(CONFIG, LAYER, "md5:1", 1), good(), None, "its digest is `md5:1`"),
        (
            ":1.0.0".to_owned(),
            &manifest("application/vnd.oci.image.config.v1+json", LAYER, &own, archive.len()),
            good(),
            None,
            "it is no chart, but has a config of type `application/vnd.oci.image.config.v1+json`",
        ),
        (
            ":1.0.0".to_owned(),
            &manifest(CONFIG, "text/plain", &own, 1),
            good(),
            None,
            "it has no chart in it",
        ),
        (":1.0.0".to_owned(), &json!([]), good(), None, "it is no manifest of a chart"),
        (
            ":1.0.0".to_owned(),
            &right,
            Reply::ok(archive[..9].to_vec()).announcing(archive.len()),
            None,
            "broke off",
        ),
        (
            ":1.0.0".to_owned(),
            &right,
            Reply::ok(vec![0; 1 << 20]).endless(),
            None,
            "is larger than 104857600 bytes",
        ),
        (":1.0.0".to_owned(), &json!("x".repeat(5 << 20)), good(), None, "is larger than 4194304 bytes"),
    ] {
        let error = refused_registry(&reference, manifest, blob, said);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn tags_without_an_end_are_refused() {
    let server = Server::start(|asked, _| {
        let page = json!({ "name": "web", "tags": ["1.0.0"] }).to_string();
        Reply::ok(page).header("Link", &format!("<{}>; rel=\"next\"", asked.path))
    });
    let error = Stage::new().refusal(&json!(format!("oci://{}/web", server.host())));
    assert!(error.contains("it has more than 100 pages of tags"), "{error}");
}

#[test]
fn a_token_is_fetched_where_the_registry_says_and_kept_to_its_host() {
    let archive = archive("web");
    let right = manifest(CONFIG, LAYER, &digest(&archive), archive.len()).to_string();
    let server = Server::start(move |asked, host| {
        let signed_in = asked.authorization.as_deref() == Some("Bearer token-of-the-day");
        match asked.path.as_str() {
            "/token?service=registry&scope=repository%3Aweb%3Apull" => match asked.authorization.as_deref() {
                Some("Basic Y2k6Y29ycmVjdC1ob3JzZS03") => Reply::ok(r#"{"token":"token-of-the-day"}"#),
                _ => Reply::status(401),
            },
            path if path.starts_with("/v2/") && !signed_in => Reply::status(401).header(
                "WWW-Authenticate",
                &format!(
                    r#"Bearer realm="http://{host}/token",service="registry",scope="repository:web:pull""#
                ),
            ),
            "/v2/web/manifests/1.0.0" => Reply::ok(right.clone()),
            // As storages do: another address, of another host by name.
            path if path.starts_with("/v2/web/blobs/") => {
                Reply::to(format!("http://localhost:{}/blob", host.rsplit(':').next().unwrap()))
            }
            "/blob" => Reply::ok(archive.clone()),
            _ => Reply::status(404),
        }
    });
    let wanted = json!({ "chart": format!("oci://{}/web:1.0.0", server.host()) });
    let stage = Stage::new();
    let error = stage.call("helm::template", &wanted).error();
    assert!(
        error.contains("wants credentials, and none are known") && error.contains("helm registry login"),
        "{error}"
    );
    let config = json!({ "auths": { server.host(): { "auth": "Y2k6Y29ycmVjdC1ob3JzZS03" } } });
    stage.write("home/.docker/config.json", config.to_string());
    let done = stage.call("helm::template", &wanted);
    assert!(done.value().as_str().unwrap().contains("web-1.0.0"));
    let told = done.report();
    for hidden in ["token-of-the-day", "correct-horse-7", "Y2k6Y29ycmVjdC1ob3JzZS03"] {
        assert!(!told.contains(hidden), "{told}");
    }
    let blob = server.asked().into_iter().find(|asked| asked.path == "/blob").unwrap();
    assert_eq!(blob.authorization, None, "a token is for its registry alone");
    stage.write(
        "home/.docker/config.json",
        json!({ "credHelpers": { server.host(): "ecr-login" } }).to_string(),
    );
    let error = stage.call("helm::template", &wanted).error();
    assert!(error.contains("kept by a helper (`docker-credential-ecr-login`), which is not run"), "{error}");
    stage.write("home/.docker/config.json", "{ \"auths\": correct-horse-7");
    let error = stage.call("helm::template", &wanted).error();
    assert!(error.contains("cannot be read") && !error.contains("correct-horse"), "{error}");
}

#[test]
fn a_server_that_repeats_a_password_gives_it_away_to_nobody() {
    let server = Server::start(|asked, _| {
        let login = asked.authorization.clone().unwrap_or_default();
        let said = format!("bad login {login}, correct-horse-7");
        Reply::status(400).saying(&said).header("Content-Type", "text/plain")
    });
    let section = json!({ "registries": { server.host(): { "username": "ci", "password": "env:CHARTS" } } });
    let stage = Stage::new().section(section).variable("CHARTS", "correct-horse-7");
    let done = stage.call("helm::template", &json!({ "chart": { "chart": "web", "repo": server.url() } }));
    let error = done.error();
    assert!(error.contains("was answered with 400") && error.contains("bad login Basic ‹"), "{error}");
    for hidden in ["correct-horse-7", "Y2k6Y29ycmVjdC1ob3JzZS03"] {
        assert!(!done.report().contains(hidden), "{}", done.report());
    }
}
