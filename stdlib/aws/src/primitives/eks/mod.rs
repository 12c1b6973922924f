mod cluster;
mod kubeconfig;
mod node_group;
mod node_groups;
mod scale;
mod token;
mod update;

use opsrun_core::Declaration;

pub(crate) use self::cluster::cluster;
pub(crate) use self::node_group::node_group;
pub(crate) use self::node_groups::group_names;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<cluster::GetCluster>(),
    Declaration::of::<kubeconfig::Kubeconfig>(),
    Declaration::of::<node_group::GetNodeGroup>(),
    Declaration::of::<node_groups::ListNodeGroups>(),
    Declaration::of::<scale::Scale>(),
    Declaration::of::<token::Token>(),
    Declaration::of::<update::Update>(),
];
