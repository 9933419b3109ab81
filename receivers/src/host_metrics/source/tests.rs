mod mounts;
mod text;
mod usage;
