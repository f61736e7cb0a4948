//! GraphQL, as far as asking who one is. <https://docs.github.com/en/graphql/reference/queries#viewer>

use serde_json::{Map, Value, json};

use crate::routes::Call;
use crate::wire::Answer;
use crate::world::World;

pub(crate) fn query(world: &mut World, call: &Call<'_>) -> Answer {
    let body = call.request.json();
    let asked = body["query"].as_str().unwrap_or_default();
    let Some((_, selection)) = asked.split_once("viewer") else {
        world.violations.push(format!("not served: GraphQL {asked}"));
        return error("this GitHub knows only its viewer", &Value::Null);
    };
    let selection = selection.split_once('}').map_or(selection, |(inner, _)| inner);
    let words = selection.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let user = world.user_json(&world.identity);
    let mut viewer = Map::new();
    for word in words {
        let value = match word {
            "login" => json!(world.identity.login),
            "id" => json!(world.identity.node_id()),
            "databaseId" => json!(world.identity.id),
            "__typename" => json!("User"),
            "url" => user["html_url"].clone(),
            _ => {
                let extensions = json!({"code": "undefinedField", "typeName": "User", "fieldName": word});
                return error(&format!("Field '{word}' doesn't exist on type 'User'"), &extensions);
            }
        };
        viewer.insert(word.to_owned(), value);
    }
    Answer::json(200, &json!({"data": {"viewer": viewer}}))
}

fn error(message: &str, extensions: &Value) -> Answer {
    let one = json!({"message": message, "extensions": extensions, "path": ["query"], "locations": [{"line": 1, "column": 1}]});
    Answer::json(200, &json!({"errors": [one]}))
}
