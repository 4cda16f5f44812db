//! The images as a registry and their readers see them: every digest is right, and the module comes
//! out as it went in.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use sha2::{Digest as _, Sha256};
use sluicegate_commands::image::{Form, Image, pack};
use tempfile::TempDir;

/// Not a module that runs; an image does not look into it.
const MODULE: &[u8] = b"\0asm\x01\0\0\0 and more";

fn packed(form: Form) -> (TempDir, Image) {
    let folder = tempfile::tempdir().unwrap();
    let image = pack(MODULE, "tag", form, folder.path()).unwrap();
    (folder, image)
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// A blob, once it is what its descriptor says.
fn blob(layout: &Path, descriptor: &Descriptor) -> Vec<u8> {
    let bytes = fs::read(layout.join("blobs/sha256").join(descriptor.digest().digest())).unwrap();
    assert_eq!((sha256(&bytes), bytes.len() as u64), (descriptor.digest().to_string(), descriptor.size()));
    bytes
}

fn manifest(image: &Image) -> ImageManifest {
    let index = ImageIndex::from_file(image.layout.join("index.json")).unwrap();
    let [descriptor] = index.manifests().as_slice() else { panic!("{:?}", index.manifests()) };
    assert_eq!(
        (descriptor.media_type(), descriptor.digest().to_string()),
        (&MediaType::ImageManifest, image.digest.clone())
    );
    ImageManifest::from_reader(&*blob(&image.layout, descriptor)).unwrap()
}

fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            names.extend(files_below(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            names.insert(name);
        }
    }
    names
}

#[test]
fn the_compat_form_is_one_layer_with_the_module_in_it() {
    let (_folder, image) = packed(Form::Compat);
    let manifest = manifest(&image);
    assert_eq!(manifest.annotations().as_ref().unwrap()["module.wasm.image/variant"], "compat");
    assert_eq!(manifest.config().media_type(), &MediaType::ImageConfig);
    let [layer] = manifest.layers().as_slice() else { panic!("{:?}", manifest.layers()) };
    assert_eq!(layer.media_type().to_string(), "application/vnd.oci.image.layer.v1.tar+gzip");

    let mut files = Vec::new();
    GzDecoder::new(&*blob(&image.layout, layer)).read_to_end(&mut files).unwrap();
    let config = ImageConfiguration::from_reader(&*blob(&image.layout, manifest.config())).unwrap();
    assert_eq!(config.rootfs().diff_ids(), &[sha256(&files)]);
    let mut archive = tar::Archive::new(&*files);
    let mut entries = archive.entries().unwrap();
    let mut plugin = entries.next().unwrap().unwrap();
    assert_eq!(plugin.path().unwrap(), Path::new("plugin.wasm"));
    let mut module = Vec::new();
    plugin.read_to_end(&mut module).unwrap();
    assert_eq!(module, MODULE);
    assert!(entries.next().is_none());
}

#[test]
fn the_artifact_form_is_the_module_and_what_it_is_for() {
    let (_folder, image) = packed(Form::Artifact);
    let manifest = manifest(&image);
    let [purpose, module] = manifest.layers().as_slice() else { panic!("{:?}", manifest.layers()) };
    assert_eq!(purpose.media_type().to_string(), "application/vnd.module.wasm.config.v1+json");
    assert_eq!(module.media_type().to_string(), "application/vnd.module.wasm.content.layer.v1+wasm");
    assert_eq!(manifest.config().media_type(), purpose.media_type());
    let purpose: serde_json::Value = serde_json::from_slice(&blob(&image.layout, purpose)).unwrap();
    assert_eq!(purpose["type"], "envoy_proxy");
    assert_eq!(blob(&image.layout, module), MODULE);
    blob(&image.layout, manifest.config());
}

#[test]
fn nothing_is_missing_and_nothing_is_left_over() {
    for form in [Form::Compat, Form::Artifact] {
        let (folder, image) = packed(form);
        // The rest of a former image is removed.
        fs::write(image.layout.join("blobs/sha256/stray"), "").unwrap();
        let image = pack(MODULE, "tag", form, folder.path()).unwrap();
        let manifest = manifest(&image);
        let blobs = manifest.layers().iter().chain([manifest.config()]).map(|blob| blob.digest().digest().to_owned());
        let blobs = blobs.chain([image.digest.trim_start_matches("sha256:").to_owned()]);
        let mut expected: BTreeSet<_> = blobs.map(|blob| format!("blobs/sha256/{blob}")).collect();
        expected.extend(["index.json", "oci-layout"].map(str::to_owned));
        assert_eq!(files_below(&image.layout), expected, "{form:?}");

        let mut archive = tar::Archive::new(fs::File::open(&image.archive).unwrap());
        let mut archived = BTreeSet::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, fs::read(image.layout.join(&path)).unwrap());
            archived.insert(path.into_os_string().into_string().unwrap());
        }
        assert_eq!(archived, expected, "{form:?}");
    }
}

#[test]
fn the_same_module_becomes_the_same_image() {
    for form in [Form::Compat, Form::Artifact] {
        let ((_one, first), (_two, second)) = (packed(form), packed(form));
        assert_eq!(first.digest, second.digest);
        assert_eq!(fs::read(first.archive).unwrap(), fs::read(second.archive).unwrap());
        let folder = tempfile::tempdir().unwrap();
        assert_ne!(pack(b"another", "tag", form, folder.path()).unwrap().digest, first.digest);
    }
}

#[test]
fn the_command_builds_and_tells_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate-commands"));
        command.args(["image", name, "--form", "artifact", "--out"]).arg(folder.path()).output().unwrap()
    };
    let answer = run("helloworld");
    assert!(answer.status.success(), "{answer:?}");
    let said = String::from_utf8(answer.stdout).unwrap();
    let digest = said.lines().find_map(|line| line.strip_prefix("digest:  ")).unwrap().to_owned();
    let place = folder.path().join("helloworld-artifact");
    let image = Image { layout: place, archive: folder.path().join("helloworld-artifact.tar"), digest };
    let manifest = manifest(&image);
    assert!(blob(&image.layout, &manifest.layers()[1]).starts_with(b"\0asm"));
    assert!(said.contains(&format!("skopeo copy oci-archive:{} docker://", image.archive.display())), "{said}");

    let answer = run("shared_queue");
    let said = String::from_utf8(answer.stderr).unwrap();
    assert_eq!(
        said,
        "error: shared_queue has several modules; name one of shared_queue_receiver, shared_queue_sender\n"
    );
}
