//! `#[derive(Args)]`: reads a primitive's arguments off its struct, so that they are declared once.
//! It knows the names of `opsrun_core`'s items and nothing else.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Field, Fields, Lit, Meta, Type, parse_macro_input};

/// Implements `opsrun_core::Args`.
///
/// The struct's doc comment becomes the primitive's documentation, a field's doc comment the argument's.
/// `#[arg(positional)]` marks what is given by its place, in the order of the fields; everything else is an option.
/// `#[arg(secret)]` takes secrets and gets their values, `#[arg(marker)]` takes them and gets their markers.
/// A field is required unless it is an `Option` or has a `#[serde(default)]`.
#[proc_macro_derive(Args, attributes(arg))]
pub fn derive_args(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(input, "arguments are the fields of a struct"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(syn::Error::new_spanned(input, "arguments have names")),
    };
    let doc = doc(&input.attrs);
    if doc.is_empty() {
        return Err(syn::Error::new_spanned(
            input,
            "a primitive has a doc comment: its first line is its summary",
        ));
    }
    let fields = fields.into_iter().map(field).collect::<syn::Result<Vec<_>>>()?;
    let name = &input.ident;
    Ok(quote! {
        impl ::opsrun_core::Args for #name {
            const DOC: &'static str = #doc;
            const FIELDS: &'static [::opsrun_core::Field] = &[#(#fields),*];
        }
    })
}

fn field(field: &Field) -> syn::Result<proc_macro2::TokenStream> {
    let mut name = field
        .ident
        .as_ref()
        .map(|ident| ident.to_string().trim_start_matches("r#").to_owned())
        .unwrap_or_default();
    let mut positional = false;
    let mut secrets = quote!(No);
    let mut optional = is_option(&field.ty);
    for attribute in &field.attrs {
        if attribute.path().is_ident("arg") {
            attribute.parse_nested_meta(|meta| {
                match meta.path.get_ident().map(ToString::to_string).as_deref() {
                    Some("positional") => positional = true,
                    Some("secret") => secrets = quote!(Value),
                    Some("marker") => secrets = quote!(Marker),
                    _ => return Err(meta.error("expected `positional`, `secret` or `marker`")),
                }
                Ok(())
            })?;
        } else if attribute.path().is_ident("serde") {
            attribute.parse_nested_meta(|meta| {
                let value = match meta.value() {
                    Ok(value) => Some(value.parse::<Expr>()?),
                    Err(_) => None,
                };
                if meta.path.is_ident("default") {
                    optional = true;
                } else if meta.path.is_ident("rename")
                    && let Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = value
                {
                    name = text.value();
                }
                Ok(())
            })?;
        }
    }
    let doc = doc(&field.attrs);
    if doc.is_empty() {
        return Err(syn::Error::new_spanned(field, "an argument has a doc comment"));
    }
    let required = !optional;
    Ok(quote! {
        ::opsrun_core::Field {
            name: #name,
            doc: #doc,
            positional: #positional,
            required: #required,
            secrets: ::opsrun_core::TakesSecrets::#secrets,
        }
    })
}

fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let text = text.value();
                Some(text.strip_prefix(' ').unwrap_or(&text).trim_end().to_owned())
            }
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}
