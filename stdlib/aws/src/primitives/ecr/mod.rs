mod create_repository;
mod delete_image;
mod delete_repository;
mod image;
mod images;
mod login;
mod put_image;
mod repositories;
mod scan;
mod scan_findings;
mod tag;
mod untag;

use opsrun_core::Declaration;

pub(crate) use self::delete_repository::tags as repository_tags;
pub(crate) use self::repositories::repository;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<create_repository::CreateRepository>(),
    Declaration::of::<delete_image::DeleteImage>(),
    Declaration::of::<delete_repository::DeleteRepository>(),
    Declaration::of::<image::GetImage>(),
    Declaration::of::<images::ListImages>(),
    Declaration::of::<login::Login>(),
    Declaration::of::<put_image::PutImage>(),
    Declaration::of::<repositories::ListRepositories>(),
    Declaration::of::<scan::Scan>(),
    Declaration::of::<scan_findings::GetScanFindings>(),
    Declaration::of::<tag::Tag>(),
    Declaration::of::<untag::Untag>(),
];
