//! `image`: writes an example's module as an OCI image, without Docker, in the two forms that Istio
//! and Envoy Gateway read.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | a folder of blobs by their digests, and the archive of it |

mod layout;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use flate2::{Compression, GzBuilder};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, ImageConfigurationBuilder, ImageManifest, ImageManifestBuilder, MediaType, Os,
    RootFsBuilder,
};
use serde_json::json;
use sluicegate_workspace::{self as workspace, Allocator, guest};

use layout::{Layout, digest};

/// The file that both readers look for in a layer of the compat form.
const PLUGIN: &str = "plugin.wasm";
/// The media types of the artifact form.
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const WASM_CONTENT: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// The annotation that names a layer of the artifact form.
const TITLE: &str = "org.opencontainers.image.title";

/// The ways to put a module into an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// An ordinary image whose one layer holds `plugin.wasm`: for every registry
    Compat,
    /// The module itself as a layer with a media type of its own
    Artifact,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Compat => "compat",
            Self::Artifact => "artifact",
        }
    }
}

/// The arguments of `image`: the module, and the form and the folder of its image.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// The example: a folder of `examples/`, or a package of one
    name: String,
    /// The allocator that it is built with
    #[arg(long, default_value_t = Allocator::Talc)]
    alloc: Allocator,
    /// The form of the image
    #[arg(long, value_enum, default_value_t = Form::Compat)]
    form: Form,
    /// The folder for the image [default: `images` in the target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// An image that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The folder in OCI's layout.
    pub layout: PathBuf,
    /// The layout as one file.
    pub archive: PathBuf,
    /// The digest of the manifest, by which the image is pulled and verified: `sha256:…`.
    pub digest: String,
}

/// Builds an example's module and writes its image.
///
/// # Errors
///
/// Fails if there is no such example, if the example has several modules, if the build fails, or if
/// nothing can be written.
pub fn image(args: &ImageArgs) -> Result<()> {
    let name = &args.name;
    let packages = workspace::example_packages(name).unwrap_or_default();
    ensure!(packages.len() < 2, "{name} has several modules; name one of {}", packages.join(", "));
    let module = guest::build(name, Some(args.alloc))?;
    let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    let folder = args.out.clone().unwrap_or_else(|| workspace::target_dir().join("images"));
    let image = pack(&module, name, args.form, &folder)?;
    println!("{}", summary(name, args, &module, &image));
    Ok(())
}

fn summary(name: &str, args: &ImageArgs, module: &[u8], image: &Image) -> String {
    let Image { layout, archive, digest } = image;
    let (layout, archive, size) = (layout.display(), archive.display(), module.len());
    format!(
        "{name} ({}), {size} bytes, as an image of the {} form\n\nlayout:  {layout}\narchive: {archive}\ndigest:  {digest}\n\n    \
         skopeo copy oci-archive:{archive} docker://REGISTRY/{name}:{}",
        args.alloc,
        args.form.name(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Writes a module as an image `NAME-FORM` in a folder, and replaces an image that is there. Equal
/// modules become equal bytes.
///
/// # Errors
///
/// Fails if nothing can be written.
pub fn pack(module: &[u8], name: &str, form: Form, folder: &Path) -> Result<Image> {
    let place = folder.join(format!("{name}-{}", form.name()));
    let layout = Layout::create(&place)?;
    let manifest = match form {
        Form::Compat => compat(module, &layout)?,
        Form::Artifact => artifact(module, &layout)?,
    };
    let digest = layout.finish(&manifest, env!("CARGO_PKG_VERSION"))?;
    let archive = layout.archive(&folder.join(format!("{name}-{}.tar", form.name())))?;
    Ok(Image { layout: place, archive, digest })
}

/// Writes one layer: a compressed archive with the module.
fn compat(module: &[u8], layout: &Layout) -> Result<ImageManifest> {
    let files = archive_of(module).context("cannot archive the module")?;
    let layer = layout.blob(&compressed(&files).context("cannot compress the module")?, MediaType::ImageLayerGzip)?;
    let root = RootFsBuilder::default().typ("layers").diff_ids([digest(&files)]).build()?;
    let config = ImageConfigurationBuilder::default()
        .architecture(Arch::Wasm)
        .os(Os::Other("wasip1".into()))
        .config(ConfigBuilder::default().build()?)
        .rootfs(root)
        .build()?;
    let config = layout.blob(config.to_string()?.as_bytes(), MediaType::ImageConfig)?;
    let variant = [("module.wasm.image/variant".to_owned(), "compat".to_owned())];
    Ok(manifest(config, vec![layer]).annotations(variant).build()?)
}

/// Writes two layers: the purpose of the module, and the module itself. Both readers demand exactly
/// two.
fn artifact(module: &[u8], layout: &Layout) -> Result<ImageManifest> {
    let purpose = json!({ "type": "envoy_proxy", "abiVersions": ["0.2.1"], "config": { "root_ids": [] } });
    let titled = |mut layer: Descriptor, title: &str| {
        layer.set_annotations(Some([(TITLE.to_owned(), title.to_owned())].into()));
        layer
    };
    let config = layout.blob(purpose.to_string().as_bytes(), MediaType::Other(WASM_CONFIG.into()))?;
    let module = layout.blob(module, MediaType::Other(WASM_CONTENT.into()))?;
    let layers = vec![titled(config.clone(), "runtime-config.json"), titled(module, PLUGIN)];
    Ok(manifest(config, layers).build()?)
}

fn manifest(config: Descriptor, layers: Vec<Descriptor>) -> ImageManifestBuilder {
    ImageManifestBuilder::default()
        .schema_version(oci_spec::image::SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers)
}

/// Returns an archive with the module. The archive tells nothing about the machine and the time.
fn archive_of(module: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(module.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, PLUGIN, module)?;
    archive.into_inner()
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;

    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
