//! A folder in OCI's layout: blobs that are named by their digests, and an index that points to the
//! manifest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use oci_spec::image::{Descriptor, ImageIndexBuilder, ImageManifest, MediaType, OciLayoutBuilder, Sha256Digest};
use sha2::{Digest as _, Sha256};

const BLOBS: &str = "blobs/sha256";
const INDEX: &str = "index.json";
const HEADER: &str = "oci-layout";
/// The annotation that holds the image's tag.
const TAG: &str = "org.opencontainers.image.ref.name";

/// Returns the digest: `sha256:` and the digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// A layout that is being written.
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes an empty layout, and replaces one that is there.
    pub(super) fn create(root: &Path) -> Result<Self> {
        let name = root.display();
        if root.exists() {
            fs::remove_dir_all(root).with_context(|| format!("cannot replace {name}"))?;
        }
        fs::create_dir_all(root.join(BLOBS)).with_context(|| format!("cannot create {name}"))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Writes a blob, and returns the descriptor that refers to it.
    pub(super) fn blob(&self, bytes: &[u8], media_type: MediaType) -> Result<Descriptor> {
        let digits = format!("{:x}", Sha256::digest(bytes));
        fs::write(self.root.join(BLOBS).join(&digits), bytes).context("cannot write a blob")?;
        Ok(Descriptor::new(media_type, bytes.len() as u64, Sha256Digest::from_str(&digits)?))
    }

    /// Writes the manifest, and the index that points to it by a tag. Returns the manifest's
    /// digest.
    pub(super) fn finish(&self, manifest: &ImageManifest, tag: &str) -> Result<String> {
        let text = manifest.to_string()?;
        let mut descriptor = self.blob(text.as_bytes(), MediaType::ImageManifest)?;
        descriptor.set_annotations(Some([(TAG.to_owned(), tag.to_owned())].into()));
        let index = ImageIndexBuilder::default()
            .schema_version(oci_spec::image::SCHEMA_VERSION)
            .media_type(MediaType::ImageIndex)
            .manifests([descriptor])
            .build()?;
        let header = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
        fs::write(self.root.join(INDEX), index.to_string()?).context("cannot write the image's index")?;
        fs::write(self.root.join(HEADER), header.to_string()?).context("cannot write the layout's header")?;
        Ok(digest(text.as_bytes()))
    }

    /// Writes the whole layout as one file, which tells nothing about the machine and the time.
    pub(super) fn archive(&self, place: &Path) -> Result<PathBuf> {
        let failed = || format!("cannot write {}", place.display());
        let mut archive = tar::Builder::new(File::create(place).with_context(failed)?);
        archive.mode(tar::HeaderMode::Deterministic);
        let mut blobs: Vec<_> = fs::read_dir(self.root.join(BLOBS))
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>())
            .context("cannot read the blobs")?;
        blobs.sort();
        let files = [HEADER, INDEX].map(PathBuf::from).into_iter();
        for file in files.chain(blobs.into_iter().map(|blob| Path::new(BLOBS).join(blob))) {
            archive.append_path_with_name(self.root.join(&file), &file).with_context(failed)?;
        }
        archive.finish().with_context(failed)?;
        Ok(place.to_owned())
    }
}
