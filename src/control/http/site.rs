//! The files of a web page, read into a table when the door is opened.
//!
//! A URL is looked up in the table and nowhere else: no path that a caller writes ever reaches the
//! file system. Links and hidden files are not taken in.

use super::super::mime;
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the page is, from the root of the server.
pub const PLACE: &str = "/transmission/web/";

/// The most files, and the most bytes of all together. Transmission's page has 60, of 1 MB.
const MAX_FILES: usize = 4096;
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The deepest folder.
const MAX_DEPTH: usize = 16;

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// It, or something in it, cannot be read.
    #[error("cannot read {path} ({why}): does --web-home name the folder of a web page?")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// It has no first page.
    #[error("{0} has no index.html: --web-home names the folder of a web page")]
    NoIndex(PathBuf),
    /// It is no web page but somebody's disk.
    #[error(
        "{0} has more than {MAX_FILES} files, more than {MAX_BYTES} bytes or very deep folders: \
         --web-home names the folder of a web page"
    )]
    Huge(PathBuf),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What kind it is.
    pub kind: &'static str,
    /// What it holds.
    pub body: Vec<u8>,
}

/// All files by the paths of their URLs.
#[derive(Debug)]
pub struct Site {
    pages: HashMap<String, Page>,
}

impl Site {
    /// Reads a folder with all below it.
    pub fn read(home: &Path) -> Result<Self, SiteError> {
        let mut pages = HashMap::new();
        let mut folders = vec![(home.to_owned(), PLACE.to_owned(), 0)];
        let mut bytes = 0;
        while let Some((folder, url, depth)) = folders.pop() {
            let unreadable = |why| SiteError::Unreadable { path: folder.clone(), why };
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                    continue;
                };
                let (path, url) = (entry.path(), format!("{url}{}", escaped(name)));
                // Not followed: a link is neither a folder nor a file.
                let kind = entry.file_type().map_err(unreadable)?;
                if kind.is_dir() && depth < MAX_DEPTH {
                    folders.push((path, format!("{url}/"), depth + 1));
                } else if kind.is_file() {
                    let page = page(&path, name)?;
                    bytes += page.body.len() as u64;
                    pages.insert(url, page);
                }
                if bytes > MAX_BYTES || pages.len() > MAX_FILES || folders.len() > MAX_FILES {
                    return Err(SiteError::Huge(home.to_owned()));
                }
            }
        }
        let index = pages.get(&format!("{PLACE}index.html")).cloned();
        pages.insert(PLACE.into(), index.ok_or_else(|| SiteError::NoIndex(home.to_owned()))?);
        Ok(Self { pages })
    }

    /// What is at a path, letter by letter as browsers write it.
    pub fn page(&self, path: &str) -> Option<&Page> {
        self.pages.get(path)
    }
}

fn page(path: &Path, name: &str) -> Result<Page, SiteError> {
    let unreadable = |why| SiteError::Unreadable { path: path.to_owned(), why };
    let length = fs::symlink_metadata(path).map_err(unreadable)?.len();
    if length > MAX_BYTES {
        return Err(SiteError::Huge(path.to_owned()));
    }
    Ok(Page { kind: mime::of(name), body: fs::read(path).map_err(unreadable)? })
}

/// A name as it stands in a URL (RFC 3986, 2.3).
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte as char);
        } else {
            write!(text, "%{byte:02X}").expect("a String takes all");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("site-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn put(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_found_by_their_urls_and_hidden_ones_and_links_are_not() {
        let folder = Folder::new("files");
        folder.put("index.html", "<p>");
        folder.put("style/a b.css", "a{}");
        folder.put(".git/config", "secret");
        folder.put("style/.hidden", "secret");
        std::os::unix::fs::symlink("/etc/passwd", folder.0.join("passwd")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.0.join("etc")).unwrap();
        let site = Site::read(&folder.0).unwrap();
        let check = |path: &str, body: Option<&str>| {
            let page = site.page(path).map(|page| page.body.as_slice());
            assert_eq!(page, body.map(str::as_bytes), "{path}");
        };
        check("/transmission/web/", Some("<p>"));
        check("/transmission/web/index.html", Some("<p>"));
        check("/transmission/web/style/a%20b.css", Some("a{}"));
        assert_eq!(site.page("/transmission/web/style/a%20b.css").unwrap().kind, mime::of("a.css"));
        for path in ["style", "style/", ".git/config", "style/.hidden", "passwd", "etc/passwd"] {
            check(&format!("/transmission/web/{path}"), None);
        }
        assert_eq!(site.pages.len(), 3);
    }

    #[test]
    fn a_folder_that_is_no_web_page_is_refused() {
        let folder = Folder::new("none");
        let error = Site::read(&folder.0).unwrap_err().to_string();
        assert!(error.contains("has no index.html"), "{error}");
        let error = Site::read(&folder.0.join("x")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read "), "{error}");
    }
}
