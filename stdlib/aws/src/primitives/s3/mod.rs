mod bucket;
mod copy;
mod create_bucket;
mod delete;
mod delete_bucket;
mod download;
mod get;
mod head;
mod lifecycle;
mod list;
mod presign;
mod put;
mod restore;
mod set_lifecycle;
mod sync;
mod take_back;
mod take_back_files;
mod versions;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<put::Put>(),
    Declaration::of::<get::Get>(),
    Declaration::of::<download::Download>(),
    Declaration::of::<head::Head>(),
    Declaration::of::<copy::Copy>(),
    Declaration::of::<list::List>(),
    Declaration::of::<delete::Delete>(),
    Declaration::of::<versions::Versions>(),
    Declaration::of::<restore::Restore>(),
    Declaration::of::<presign::Presign>(),
    Declaration::of::<bucket::GetBucket>(),
    Declaration::of::<create_bucket::CreateBucket>(),
    Declaration::of::<delete_bucket::DeleteBucket>(),
    Declaration::of::<lifecycle::GetLifecycle>(),
    Declaration::of::<set_lifecycle::SetLifecycle>(),
    Declaration::of::<sync::Sync>(),
    Declaration::of::<take_back::TakeBack>(),
    Declaration::of::<take_back_files::TakeBackFiles>(),
];
