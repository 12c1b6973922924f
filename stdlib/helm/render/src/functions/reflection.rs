//! Defaults, emptiness, kinds and types: what a value is.

use gotemplate::{Function, Functions, Type, Value};

use super::args::{deep_equal, flag, is_empty, text};

pub(super) fn add(functions: &mut Functions) {
    use Type::{Any, Bool, String as Text};
    let mut set = |name: &str, function| {
        functions.set(name, function);
    };
    set(
        "default",
        Function::variadic(&[Any, Any], |_, a| {
            Ok(a.get(1).filter(|given| !is_empty(given)).unwrap_or(&a[0]).clone())
        }),
    );
    set("empty", Function::new(&[Any], |_, a| Ok(is_empty(&a[0]).into())));
    set(
        "coalesce",
        Function::variadic(&[Any], |_, a| {
            Ok(a.iter().find(|value| !is_empty(value)).cloned().unwrap_or(Value::Nil))
        }),
    );
    set("all", Function::variadic(&[Any], |_, a| Ok(a.iter().all(|value| !is_empty(value)).into())));
    set("any", Function::variadic(&[Any], |_, a| Ok(a.iter().any(|value| !is_empty(value)).into())));
    set("ternary", Function::new(&[Any, Any, Bool], |_, a| Ok(a[usize::from(!flag(a, 2))].clone())));
    set("typeOf", Function::new(&[Any], |_, a| Ok(Value::str(a[0].type_name()))));
    set("typeIs", Function::new(&[Text, Any], |_, a| Ok((*text(a, 0) == *a[1].type_name()).into())));
    set(
        "typeIsLike",
        Function::new(&[Text, Any], |_, a| {
            let name = a[1].type_name();
            Ok((*text(a, 0) == *name || name.strip_prefix('*').is_some_and(|name| *text(a, 0) == *name))
                .into())
        }),
    );
    set("kindOf", Function::new(&[Any], |_, a| Ok(a[0].kind().name().into())));
    set("kindIs", Function::new(&[Text, Any], |_, a| Ok((*text(a, 0) == *a[1].kind().name()).into())));
    set("deepEqual", Function::new(&[Any, Any], |_, a| Ok(deep_equal(&a[0], &a[1]).into())));
}
