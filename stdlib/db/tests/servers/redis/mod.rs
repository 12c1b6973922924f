mod keys;
mod signing_in;
mod snapshots;
