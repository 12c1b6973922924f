mod activities;
mod describe;
mod groups;
mod processes;
mod resume;
mod set_desired;
mod start_instance_refresh;
mod suspend;
mod wait;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<activities::GetActivities>(),
    Declaration::of::<describe::Describe>(),
    Declaration::of::<groups::ListGroups>(),
    Declaration::of::<resume::Resume>(),
    Declaration::of::<set_desired::SetDesired>(),
    Declaration::of::<start_instance_refresh::StartInstanceRefresh>(),
    Declaration::of::<suspend::Suspend>(),
    Declaration::of::<wait::Wait>(),
];
