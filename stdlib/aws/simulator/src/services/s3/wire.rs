//! What a request is before it is S3's: where its bucket is named, who signed it, and a body that is cut into chunks.

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Request, Uri};
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

const SHA256: &str = "x-amz-content-sha256";

/// Buckets in hosts, as AWS has them; everywhere else they are in the path.
pub(super) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let bucket = host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket);
        Ok(match bucket {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

/// The request without its signature, which has been looked at, and with its body in one piece. `None`: the body is broken.
pub(super) fn plain(request: &Request<Bytes>) -> Option<Request<Bytes>> {
    let mut plain = request.clone();
    let headers = plain.headers_mut();
    headers.remove(AUTHORIZATION);
    headers.remove(TRANSFER_ENCODING);
    let hash = headers.remove(SHA256);
    let hash = hash.as_ref().and_then(|hash| hash.to_str().ok()).unwrap_or_default();
    if hash.starts_with("STREAMING-") {
        let (body, trailers) = of_chunks(request.body())?;
        for name in ["x-amz-trailer", "x-amz-decoded-content-length"] {
            headers.remove(name);
        }
        if let Some(encoding) = headers.remove(CONTENT_ENCODING) {
            // What the object itself is encoded with stays.
            let rest: Vec<&str> = encoding.to_str().ok()?.split(',').map(str::trim).collect();
            let rest: Vec<&str> =
                rest.into_iter().filter(|name| *name != "aws-chunked" && !name.is_empty()).collect();
            if !rest.is_empty() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_str(&rest.join(",")).ok()?);
            }
        }
        headers.extend(trailers);
        *plain.body_mut() = body;
    }
    let length = plain.body().len();
    plain.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    *plain.uri_mut() = unsigned(request.uri())?;
    Some(plain)
}

fn unsigned(uri: &Uri) -> Option<Uri> {
    let query = uri.query().unwrap_or_default();
    if !query.to_ascii_lowercase().contains("x-amz-") {
        return Some(uri.clone());
    }
    const SIGNED: &[&str] = &[
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ];
    let rest: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            !SIGNED.contains(&name.as_str())
        })
        .collect();
    let path =
        if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

type Trailers = Vec<(HeaderName, HeaderValue)>;

/// `SIZE;chunk-signature=…`, the bytes, and after the chunk of size 0 headers.
fn of_chunks(body: &Bytes) -> Option<(Bytes, Trailers)> {
    let mut rest = body.clone();
    let mut whole = BytesMut::with_capacity(rest.len());
    loop {
        let line = line(&mut rest)?;
        let size = line.split(';').next()?.trim().to_owned();
        let size = usize::from_str_radix(&size, 16).ok()?;
        if size == 0 {
            break;
        }
        if rest.len() < size + 2 {
            return None;
        }
        whole.extend_from_slice(&rest.split_to(size));
        let _ = rest.split_to(2);
    }
    let mut trailers = Vec::new();
    while let Some(line) = line(&mut rest) {
        if let Some((name, value)) = line.split_once(':')
            && name != "x-amz-trailer-signature"
        {
            trailers.push((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?));
        }
    }
    Some((whole.freeze(), trailers))
}

fn line(rest: &mut Bytes) -> Option<String> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = rest.split_to(end);
    let _ = rest.split_to(2);
    String::from_utf8(line.to_vec()).ok()
}

/// The digest of the body that was signed, if one was.
pub(super) fn signed_digest(request: &Request<Bytes>) -> Option<&str> {
    let hash = request.headers().get(SHA256)?.to_str().ok()?;
    (hash.len() == 64).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_one_body_and_trailers_headers() {
        let body = "3;chunk-signature=aa\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        let request = Request::builder()
            .uri("/b/k?x-id=PutObject&X-Amz-Signature=ff&X-Amz-Date=1")
            .header(SHA256, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("content-encoding", "gzip,aws-chunked")
            .body(Bytes::from_static(body.as_bytes()));
        let plain = plain(&request.expect("a request")).expect("it is whole");
        assert_eq!(plain.body(), "abcde");
        assert_eq!(plain.uri(), "/b/k?x-id=PutObject");
        let header = |name: &str| plain.headers()[name].to_str().expect("a text").to_owned();
        assert_eq!(
            (header("x-amz-checksum-crc32"), header("content-encoding"), header("content-length")),
            ("AAAAAA==".into(), "gzip".into(), "5".into())
        );
    }
}
