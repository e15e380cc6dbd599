use super::*;

const HEADER: &str = "sku,name,price,description\n";

fn gbp() -> Currency {
    "GBP".parse().unwrap()
}

/// Every listed complaint as it is shown: `line 7, price must not be negative`.
fn complaints(file: impl AsRef<[u8]>) -> Vec<String> {
    let bad = parse(file.as_ref(), gbp()).unwrap_err();
    bad.listed().iter().map(|field| format!("{} {}", field.place(), field.fault)).collect()
}

fn items(file: impl AsRef<[u8]>) -> Vec<Item> {
    parse(file.as_ref(), gbp()).unwrap().as_slice().to_vec()
}

#[test]
fn the_ancestors_format_is_read() {
    let read = items(format!("{HEADER}b,Bear,12.5,\"Soft, brown\"\na,Ant,1,\n"));
    assert_eq!(read.iter().map(|item| item.sku.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(read[1].name.as_str(), "Bear");
    assert_eq!(read[1].description.as_str(), "Soft, brown");
    assert_eq!(read[1].price.money().to_string(), "GBP 12.50");
    assert_eq!(read[0].description.as_str(), "");
    assert!(items(HEADER).is_empty());
}

#[test]
fn the_built_in_catalogue_is_good() {
    assert_eq!(items(crate::BUILT_IN_CATALOG).len(), 24);
}

#[test]
fn columns_may_stand_in_any_order_and_name_a_currency() {
    let read =
        items("\u{feff}currency,description,price,name,sku\r\nJPY,x,7,Bear,b\r\n,x,7,Ant,a\r\n");
    let prices: Vec<_> = read.iter().map(|item| item.price.money().to_string()).collect();
    assert_eq!(prices, ["GBP 7.00", "JPY 7"]);
}

#[test]
fn every_bad_field_is_named_by_line_and_reason() {
    let file = format!(
        "{HEADER}a,Ant,,x\nb,Bear,-1,x\nc,Cat,1.005,x\nd,,1e3,{long}\na,Ant,1,x\n f,Fox,1,x\n\
         g,Gnu,1\nh,{long},10000000000.01,x\n\"i\" ,Ibex,1,x\nj,Jay,99999999999999999999,x\n\
         k,\"two\nlines\",1,x\nl,Lynx,1,\"x\n",
        long = "x".repeat(4_001)
    );
    let control = "must be 1 to 200 characters, not all spaces, none of them a control character";
    assert_eq!(
        complaints(file),
        [
            "line 2, price must not be empty",
            "line 3, price must not be negative",
            "line 4, price must have at most 2 decimals",
            &format!("line 5, name {control}"),
            "line 5, description must be at most 4000 characters, none of them a control character \
             other than tabs and line breaks",
            "line 5, price must be a plain decimal number, for example 12.50",
            "line 6, sku must differ from the SKU on line 2",
            "line 7, sku must be 1 to 64 characters, none of them a control character, no space at \
             either end",
            "line 8 must have 4 fields as the first line has, not 3",
            &format!("line 9, name {control}"),
            "line 9, price must be at most 1000000000000 minor units",
            "line 10 must have a comma or the end of the line after a closing quote",
            "line 11, price must be at most 1000000000000000 minor units",
            &format!("line 12, name {control}"),
            "line 14 must close the quote that it opens",
        ]
    );
}

#[test]
fn the_decimals_of_a_price_go_by_the_rows_currency() {
    let file =
        "sku,name,price,description,currency\na,Ant,1.5,,JPY\nb,Bear,1.5,,KWD\nc,Cat,1.5,,gbp\n";
    assert_eq!(
        complaints(file),
        [
            "line 2, price must have at most 0 decimals",
            "line 4, currency must be an ISO 4217 currency code in upper case, for example GBP",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_line() {
    let file = [HEADER.as_bytes(), b"a,Ant,1,x\nb,B\xe9ar,1,x\nc,Cat,1,\xff\n"].concat();
    assert_eq!(
        complaints(file),
        ["line 3, name must be UTF-8", "line 4, description must be UTF-8"]
    );
}

#[test]
fn a_wrong_header_is_named_and_nothing_else() {
    let missing = "must be one of the columns that the first line names";
    let all = ["sku", "name", "price", "description"];
    for file in ["", "\u{feff}", "\n\n"] {
        assert_eq!(complaints(file), all.map(|column| format!("line 1, {column} {missing}")));
    }
    assert_eq!(
        complaints("sku,name,colour,sku,description\nbad row"),
        [
            "line 1 must name no other column than sku, name, price, description and currency, not \
             \"colour\"",
            "line 1, sku must be named only once",
            &format!("line 1, price {missing}"),
        ]
    );
    assert!(complaints("x".repeat(10_000_000))[0].len() < 200);
}

#[test]
fn a_hundred_bad_rows_are_listed_and_all_are_counted() {
    let rows: Vec<_> = (0..250).map(|row| format!("{row},,-1,x\n")).collect();
    let bad = parse(format!("{HEADER}{}", rows.concat()).as_bytes(), gbp()).unwrap_err();
    assert_eq!(bad.bad_rows(), 250);
    assert_eq!(bad.listed().len(), 2 * MAX_LISTED_ROWS);
    assert_eq!(bad.listed().last().unwrap().place(), "line 101, price");
}

#[test]
fn as_many_rows_as_allowed_are_read_and_no_more() {
    let rows: Vec<_> = (0..MAX_ROWS).map(|row| format!("{row},Bear,1,\n")).collect();
    let mut file = format!("{HEADER}{}", rows.concat());
    assert_eq!(items(&file).len(), MAX_ROWS);
    file.push_str("one more,Bear,1,\n");
    assert_eq!(
        complaints(&file),
        ["line 100002 must not be there: a file has at most 100000 rows"]
    );
}
