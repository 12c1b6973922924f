use opsrun_core::{Cx, Effect, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::s3::TAKE_BACK;
use crate::s3::sync::{Filter, Synced, Terms, sync};

/// Makes a bucket like a folder, a folder like a bucket, or a bucket like another one, also in another region.
///
/// What has the same size and is not newer counts as the same and is not read; where the times leave it open, checksums tell. Copies go
/// side by side, large ones in parts, in memory that does not grow with them. A sync that broke off goes on with what is missing. In a pattern
/// `*` stands for any characters. With `dry_run` it tells what it would do. Undo takes new objects away, and what was written over
/// or deleted comes back if the bucket keeps versions.
///
/// ```rhai
/// let plan = s3::sync("site", "s3://workflow-site/www", #{ delete: true, exclude: ["*.tmp"], dry_run: true });
/// log(`${plan.copied} to copy, ${plan.deleted} to delete`);
/// s3::sync("site", "s3://workflow-site/www", #{ delete: true, exclude: ["*.tmp"] });
/// s3::sync("s3://workflow-backups/db", "s3://workflow-dr/db");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Sync {
    /// A folder, or `s3://BUCKET/PREFIX`.
    #[arg(positional)]
    from: String,
    /// A folder, or `s3://BUCKET/PREFIX`; one of the two is in S3.
    #[arg(positional)]
    to: String,
    /// Delete what is not in the source.
    #[serde(default)]
    delete: bool,
    /// Only names that fit one of these; all if there are none.
    #[serde(default)]
    include: Vec<String>,
    /// No names that fit one of these.
    #[serde(default)]
    exclude: Vec<String>,
    /// Compare the contents, whatever the times say.
    #[serde(default)]
    checksum: bool,
    /// Only tell what would be done.
    #[serde(default)]
    dry_run: bool,
    /// The region of the bucket that is copied from; it is found if left out.
    from_region: Option<String>,
    /// The region of the bucket that is copied to; it is found if left out.
    region: Option<String>,
}

impl Primitive for Sync {
    const PATH: &'static str = "s3::sync";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(TAKE_BACK);
    type Out = Synced;

    async fn run(self, cx: &Cx) -> Result<Synced> {
        let terms = Terms {
            filter: Filter { include: self.include, exclude: self.exclude },
            delete: self.delete,
            checksum: self.checksum,
            dry_run: self.dry_run,
        };
        let from = (self.from.as_str(), self.from_region.as_deref());
        sync(cx, from, (&self.to, self.region.as_deref()), &terms).await
    }
}
