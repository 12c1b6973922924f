//! Trees: what is in a folder. Written as restic writes them, byte for byte, so that both name the same folder by the same hash.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Id, Time, go};

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// One part of a path.
    pub name: OsString,
    pub kind: NodeKind,
    /// Permissions, and setuid, setgid and sticky, as Unix has them: `0o644`.
    pub mode: u32,
    pub mtime: Time,
    pub atime: Time,
    pub ctime: Time,
    pub uid: u32,
    pub gid: u32,
    /// Empty where it is not known.
    pub user: String,
    pub group: String,
    pub inode: u64,
    pub device_id: u64,
    /// The number of hard links; 0 where it is not known.
    pub links: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    File {
        size: u64,
        content: Vec<Id>,
    },
    Folder {
        tree: Id,
    },
    Symlink {
        target: OsString,
    },
    /// A device, a pipe, a socket: `fifo`. They are read, and never written.
    Other(String),
}

impl Node {
    /// In bytes; 0 for what is no file.
    pub fn size(&self) -> u64 {
        match &self.kind {
            NodeKind::File { size, .. } => *size,
            _ => 0,
        }
    }

    fn kind_name(&self) -> &str {
        match &self.kind {
            NodeKind::File { .. } => "file",
            NodeKind::Folder { .. } => "dir",
            NodeKind::Symlink { .. } => "symlink",
            NodeKind::Other(kind) => kind,
        }
    }
}

/// The bits of Go's `fs.FileMode`; those below are Unix's permissions.
const GO_FOLDER: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;
const SPECIAL: [(u32, u32); 3] = [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)];

fn go_mode(node: &Node) -> u32 {
    let kind = match node.kind {
        NodeKind::Folder { .. } => GO_FOLDER,
        NodeKind::Symlink { .. } => GO_SYMLINK,
        NodeKind::File { .. } | NodeKind::Other(_) => 0,
    };
    let special = SPECIAL.iter().filter(|(unix, _)| node.mode & unix != 0);
    special.fold(node.mode & 0o777 | kind, |mode, (_, go)| mode | go)
}

fn unix_mode(mode: u32) -> u32 {
    let special = SPECIAL.iter().filter(|(_, go)| mode & go != 0);
    special.fold(mode & 0o777, |unix, (bit, _)| unix | bit)
}

/// Fields as restic's `Node` has them, in its order, and left out where it leaves them out.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &go::quoted(self.name.as_bytes()))?;
        map.serialize_entry("type", self.kind_name())?;
        if let mode @ 1.. = go_mode(self) {
            map.serialize_entry("mode", &mode)?;
        }
        map.serialize_entry("mtime", &self.mtime)?;
        map.serialize_entry("atime", &self.atime)?;
        map.serialize_entry("ctime", &self.ctime)?;
        map.serialize_entry("uid", &self.uid)?;
        map.serialize_entry("gid", &self.gid)?;
        for (name, text) in [("user", &self.user), ("group", &self.group)] {
            if !text.is_empty() {
                map.serialize_entry(name, text)?;
            }
        }
        for (name, number) in [
            ("inode", self.inode),
            ("device_id", self.device_id),
            ("size", self.size()),
            ("links", self.links),
        ] {
            if number != 0 {
                map.serialize_entry(name, &number)?;
            }
        }
        if let NodeKind::Symlink { target } = &self.kind {
            if !target.is_empty() {
                map.serialize_entry("linktarget", &target.to_string_lossy())?;
            }
            if target.to_str().is_none() {
                map.serialize_entry("linktarget_raw", &BASE64.encode(target.as_bytes()))?;
            }
        }
        match &self.kind {
            NodeKind::File { content, .. } => map.serialize_entry("content", content)?,
            _ => map.serialize_entry("content", &())?,
        }
        if let NodeKind::Folder { tree } = &self.kind {
            map.serialize_entry("subtree", tree)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            name: String,
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            mode: u32,
            mtime: Time,
            atime: Option<Time>,
            ctime: Option<Time>,
            #[serde(default)]
            uid: u32,
            #[serde(default)]
            gid: u32,
            #[serde(default)]
            user: String,
            #[serde(default)]
            group: String,
            #[serde(default)]
            inode: u64,
            #[serde(default)]
            device_id: u64,
            #[serde(default)]
            size: u64,
            #[serde(default)]
            links: u64,
            #[serde(default)]
            linktarget: String,
            linktarget_raw: Option<String>,
            #[serde(default)]
            content: Option<Vec<Id>>,
            subtree: Option<Id>,
        }
        let written = Written::deserialize(deserializer)?;
        let name = go::unquoted(&written.name)
            .filter(|name| is_name(name))
            .ok_or_else(|| de::Error::custom(format!("`{}` is no name in a folder", written.name)))?;
        let kind = match &*written.kind {
            "file" => NodeKind::File { size: written.size, content: written.content.unwrap_or_default() },
            "dir" => NodeKind::Folder {
                tree: written
                    .subtree
                    .ok_or_else(|| de::Error::custom(format!("the folder `{}` has no tree", written.name)))?,
            },
            "symlink" => NodeKind::Symlink {
                target: match written.linktarget_raw {
                    Some(raw) => OsString::from_vec(BASE64.decode(raw).map_err(de::Error::custom)?),
                    None => OsString::from(written.linktarget),
                },
            },
            _ => NodeKind::Other(written.kind),
        };
        Ok(Node {
            name: OsString::from_vec(name),
            kind,
            mode: unix_mode(written.mode),
            mtime: written.mtime,
            atime: written.atime.unwrap_or(written.mtime),
            ctime: written.ctime.unwrap_or(written.mtime),
            uid: written.uid,
            gid: written.gid,
            user: written.user,
            group: written.group,
            inode: written.inode,
            device_id: written.device_id,
            links: written.links,
        })
    }
}

/// Whether a tree can have it without leading out of its folder.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

/// What is in a folder, in the order of the names' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// A folder's tree as it is written, of which the SHA-256 is its name.
pub fn tree_json(nodes: Vec<Node>) -> Vec<u8> {
    Tree { nodes }.to_bytes()
}

impl Tree {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut json = go::to_json(self);
        json.push(b'\n');
        json
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    pub(crate) fn get(&self, name: &OsStr) -> Option<&Node> {
        match self.nodes.binary_search_by(|node| (*node.name).cmp(name)) {
            Ok(at) => Some(&self.nodes[at]),
            // Who wrote it may have had another order.
            Err(_) => self.nodes.iter().find(|node| node.name == name),
        }
    }
}
