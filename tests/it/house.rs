//! The limits that keep the code easy to read. `scripts/house` prints the table.
//!
//! The product is what stands in `src` and in the `src` of each crate. Its tests, comments and blank lines do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Most lines of a file, with its comments and tests.
const FILE: usize = 500;
/// Most lines of a function, from the word `fn` to the closing brace.
const FUNCTION: usize = 60;
/// Most parameters of a function, `self` included.
const PARAMETERS: usize = 5;

/// The figures: the name, the most that the test lets pass, and the goal. Lower a limit when the code allows it,
/// and never raise one above its goal again.
const LIMITS: [(&str, usize, usize); 8] = [
    (CODE, 41_010, 20_000),
    (MEDIAN, 150, 150),
    (FILES, 0, 0),
    (FUNCTIONS, 0, 0),
    (WIDE, 0, 0),
    (ENTRIES, 10, 10),
    (TYPES, 0, 0),
    (UNWRAPS, 0, 0),
];

const CODE: &str = "lines of code";
const MEDIAN: &str = "lines of the median file";
const FILES: &str = "files over 500 lines";
const FUNCTIONS: &str = "functions over 60 lines";
const WIDE: &str = "functions with over 5 parameters";
const ENTRIES: &str = "entries of src";
const TYPES: &str = "names of several public types";
const UNWRAPS: &str = "files with unwrap or expect";

/// A file of the product.
struct File {
    /// Below the root of the repository.
    path: String,
    /// All of its lines.
    lines: usize,
    /// Its tokens without documentation and tests.
    code: TokenStream,
}

/// A piece of code that is too large, with its size.
type Offender = (usize, String);

/// A measured figure. One that counts offenders has them all.
struct Figure {
    value: usize,
    offenders: Vec<Offender>,
}

impl Figure {
    fn total(value: usize) -> Self {
        Self { value, offenders: Vec::new() }
    }

    fn count(offenders: impl IntoIterator<Item = Offender>) -> Self {
        let mut offenders = Vec::from_iter(offenders);
        offenders.sort_by(|a, b| b.cmp(a));
        Self { value: offenders.len(), offenders }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders with the product's code.
fn sources() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root().join("crates")).into_iter().flatten().map(Result::unwrap);
    std::iter::once(root().join("src")).chain(crates.map(|entry| entry.path().join("src"))).collect()
}

fn files() -> Vec<File> {
    let entries = sources().into_iter().flat_map(|folder| walkdir::WalkDir::new(folder).sort_by_file_name());
    let paths = entries.map(|entry| entry.unwrap().into_path());
    let is_product = |path: &PathBuf| {
        path.extension().is_some_and(|kind| kind == "rs")
            && !path.ends_with("tests.rs")
            && !path.components().any(|part| part.as_os_str() == "tests")
    };
    paths.filter(is_product).map(|path| file(&path)).collect()
}

fn file(path: &Path) -> File {
    let text = std::fs::read_to_string(path).unwrap();
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    File {
        path: path.strip_prefix(root()).unwrap().display().to_string(),
        lines: text.lines().count(),
        code: without_tests(tokens),
    }
}

/// Tokens without documentation, which the compiler turns into attributes, and without what `#[cfg(test)]` stands before.
fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                let mut start = vec![TokenTree::Punct(hash)];
                start
                    .extend(tokens.next_if(|next| matches!(next, TokenTree::Punct(p) if p.as_char() == '!')));
                match tokens.next_if(|next| matches!(next, TokenTree::Group(_))) {
                    Some(attribute) if message(&attribute) == "cfg(test)" => skip_item(&mut tokens),
                    Some(attribute) if message(&attribute).starts_with("doc=") => {}
                    attribute => kept.extend(start.into_iter().chain(attribute)),
                }
            }
            TokenTree::Group(group) => {
                let mut inside = proc_macro2::Group::new(group.delimiter(), without_tests(group.stream()));
                inside.set_span(group.span());
                kept.extend([TokenTree::Group(inside)]);
            }
            other => kept.extend([other]),
        }
    }
    kept
}

/// What stands inside an attribute's brackets, without spaces.
fn message(attribute: &TokenTree) -> String {
    let TokenTree::Group(group) = attribute else { return String::new() };
    group.stream().to_string().split_whitespace().collect()
}

/// Skips an item: up to its semicolon, or its block.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    let mut is_import = false;
    for token in tokens {
        match token {
            TokenTree::Ident(word) => is_import |= word == "use",
            TokenTree::Punct(end) if end.as_char() == ';' => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_import => return,
            _ => {}
        }
    }
}

/// The lines on which code stands.
fn code_lines(tokens: &TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens.clone() {
        if let TokenTree::Group(group) = &token {
            lines.extend([group.span_open().start().line, group.span_close().end().line]);
            code_lines(&group.stream(), lines);
        } else {
            lines.extend(token.span().start().line..=token.span().end().line);
        }
    }
}

/// How often `.unwrap()` and `.expect(…)` stand there, inside macros too.
fn unwraps(tokens: &TokenStream) -> usize {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    let here = tokens.windows(3).filter(|window| match window {
        [TokenTree::Punct(dot), TokenTree::Ident(name), TokenTree::Group(_)] => {
            dot.as_char() == '.' && (name == "unwrap" || name == "expect")
        }
        _ => false,
    });
    let inside = tokens.iter().map(|token| match token {
        TokenTree::Group(group) => unwraps(&group.stream()),
        _ => 0,
    });
    here.count() + inside.sum::<usize>()
}

/// What the syntax of all files shows.
#[derive(Default)]
struct Syntax {
    path: String,
    long: Vec<Offender>,
    wide: Vec<Offender>,
    /// Where the public types of each name stand.
    types: BTreeMap<String, Vec<String>>,
}

impl Syntax {
    fn function(&mut self, signature: &syn::Signature, block: Option<&syn::Block>) {
        let line = signature.fn_token.span.start().line;
        let place = format!("{}:{line} {}", self.path, signature.ident);
        let end = block.map_or(line, |block| block.span().end().line);
        if end - line + 1 > FUNCTION {
            self.long.push((end - line + 1, place.clone()));
        }
        if signature.inputs.len() > PARAMETERS {
            self.wide.push((signature.inputs.len(), place));
        }
    }

    fn type_of(&mut self, name: &syn::Ident, visibility: &syn::Visibility) {
        if matches!(visibility, syn::Visibility::Public(_)) {
            let place = format!("{}:{}", self.path, name.span().start().line);
            self.types.entry(name.to_string()).or_default().push(place);
        }
    }
}

impl<'a> Visit<'a> for Syntax {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        self.function(&item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.type_of(&item.ident, &item.vis);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.type_of(&item.ident, &item.vis);
    }

    fn visit_item_union(&mut self, item: &'a syn::ItemUnion) {
        self.type_of(&item.ident, &item.vis);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.type_of(&item.ident, &item.vis);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.type_of(&item.ident, &item.vis);
        visit::visit_item_trait(self, item);
    }
}

fn figures(files: &[File]) -> BTreeMap<&'static str, Figure> {
    let mut syntax = Syntax::default();
    for file in files {
        syntax.path.clone_from(&file.path);
        let parsed = syn::parse2(file.code.clone()).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        syntax.visit_file(&parsed);
    }
    let code = files.iter().map(|file| {
        let mut lines = BTreeSet::new();
        code_lines(&file.code, &mut lines);
        lines.len()
    });
    let mut sizes: Vec<_> = files.iter().map(|file| file.lines).collect();
    sizes.sort_unstable();
    let large = files.iter().filter(|file| file.lines > FILE).map(|file| (file.lines, file.path.clone()));
    let unwraps = files.iter().map(|file| (unwraps(&file.code), file.path.clone()));
    let types = syntax.types.into_iter().filter(|(_, places)| places.len() > 1);
    BTreeMap::from([
        (CODE, Figure::total(code.sum())),
        (MEDIAN, Figure::total(sizes[sizes.len() / 2])),
        (FILES, Figure::count(large)),
        (FUNCTIONS, Figure::count(syntax.long)),
        (WIDE, Figure::count(syntax.wide)),
        (ENTRIES, Figure::total(std::fs::read_dir(root().join("src")).unwrap().count())),
        (
            TYPES,
            Figure::count(
                types.map(|(name, places)| (places.len(), format!("{name}: {}", places.join(", ")))),
            ),
        ),
        (UNWRAPS, Figure::count(unwraps.filter(|(count, _)| *count > 0))),
    ])
}

/// The table, and whether each limit is kept.
fn table(figures: &BTreeMap<&str, Figure>) -> (String, bool) {
    let mut text = format!("{:<34} {:>7} {:>7} {:>7}\n", "", "is", "limit", "goal");
    let mut kept = true;
    for (name, limit, goal) in LIMITS {
        let value = figures[name].value;
        let broken = if value > limit { "  <- over the limit" } else { "" };
        kept &= value <= limit;
        let _ = writeln!(text, "{name:<34} {value:>7} {limit:>7} {goal:>7}{broken}");
    }
    for (name, figure) in figures.iter().filter(|(_, figure)| !figure.offenders.is_empty()) {
        let _ = writeln!(text, "\n{name}:");
        for (size, place) in &figure.offenders {
            let _ = writeln!(text, "{size:>7}  {place}");
        }
    }
    (text, kept)
}

#[test]
#[expect(clippy::print_stdout, reason = "scripts/house shows the table")]
fn the_product_keeps_to_its_limits() {
    let (table, kept) = table(&figures(&files()));
    println!("{table}");
    assert!(kept, "the code breaks a limit: see the table above");
}

#[test]
fn only_code_counts() {
    let tokens: TokenStream = "//! About.\n#![deny(x)]\n\n/// Says.\n#[inline]\npub fn a() {\n    // why\n    b(\"x\n y\").unwrap();\n}\n\
        #[cfg(test)]\nuse a::{b, c};\n#[cfg(test)]\nmod tests {\n    fn t() { x.unwrap() }\n}\nfn z() { vec![a.expect(\"x\")]; }\n"
        .parse()
        .unwrap();
    let code = without_tests(tokens);
    let mut lines = BTreeSet::new();
    code_lines(&code, &mut lines);
    assert_eq!(Vec::from_iter(lines), [2, 5, 6, 8, 9, 10, 17]);
    assert_eq!(unwraps(&code), 2);
}

#[test]
fn offenders_are_found() {
    let source = format!(
        "pub struct A; pub enum A {{}} pub(crate) struct A; fn f(a: u8, b: u8, c: u8, d: u8, e: u8, g: u8) {{{}}}\n\
         impl B {{ fn g(&self, a: u8, b: u8, c: u8, d: u8) {{{}}} }}",
        "\n".repeat(FUNCTION),
        "\n".repeat(FUNCTION - 1)
    );
    let mut syntax = Syntax::default();
    syntax.visit_file(&syn::parse_str(&source).unwrap());
    assert_eq!(syntax.long, [(FUNCTION + 1, ":1 f".to_owned())]);
    assert_eq!(syntax.wide, [(6, ":1 f".to_owned())]);
    assert_eq!(syntax.types["A"].len(), 2);
}
